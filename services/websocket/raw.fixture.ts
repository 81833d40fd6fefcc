import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A frame of the protocol as a client sends it (RFC 6455, section 5.2). */
export function frame(payload: string | Buffer, { opcode = 1, last = true } = {}): Buffer {
  const data = Buffer.from(payload);
  const first = (last ? 0x80 : 0) | opcode;
  const head =
    data.length < 126
      ? Buffer.from([first, 0x80 | data.length])
      : data.length < 65_536
        ? Buffer.from([first, 0x80 | 126, data.length >> 8, data.length & 0xff])
        : Buffer.concat([
            Buffer.from([first, 0x80 | 127, 0, 0, 0, 0]),
            Buffer.from(new Uint32Array([data.length]).buffer).reverse(),
          ]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, data.map((byte, at) => byte ^ (mask[at % 4] ?? 0))]);
}

/** One message in that many frames. */
export function fragments(pieces: readonly string[]): Buffer {
  return Buffer.concat(pieces.map((piece, at) => frame(piece, { opcode: at === 0 ? 1 : 0, last: at === pieces.length - 1 })));
}

/** A client of which every byte is written by hand, and which may leave half of it undone. It never closes by itself. */
export class RawClient {
  readonly socket: Socket;
  /** The code of the server's close frame. */
  code: number | undefined;
  /** The texts that came. */
  readonly texts: string[] = [];
  #received: Buffer = Buffer.alloc(0);
  ended = false;
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Connects, and does not say anything. */
  static async connect(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** With an open socket. */
  static async open(url: string, token?: string): Promise<RawClient> {
    const client = await RawClient.connect(url);
    const headers = { ...UPGRADE, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    client.socket.write(request(new URL(url).pathname, headers));
    const [head] = (await once(client.socket, 'data')) as [Buffer];
    const end = head.indexOf('\r\n\r\n') + 4;
    if (!head.toString().startsWith('HTTP/1.1 101')) throw new Error(`no socket: ${head.toString()}`);
    client.#receive(head.subarray(end));
    client.socket.on('data', (chunk) => client.#receive(chunk));
    return client;
  }

  /** The server's frames are whole messages, and not masked. */
  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const [first = 0, second = 0] = this.#received;
      const long = second === 126 ? 2 : second === 127 ? 8 : 0;
      if (this.#received.length < 2 + long) return;
      const length = long ? Number.parseInt(this.#received.subarray(2, 2 + long).toString('hex'), 16) : second;
      const end = 2 + long + length;
      if (this.#received.length < end) return;
      const payload = this.#received.subarray(2 + long, end);
      if ((first & 0x0f) === 1) this.texts.push(payload.toString());
      if ((first & 0x0f) === 8) this.code = payload.readUInt16BE(0);
      this.#received = this.#received.subarray(end);
    }
  }

  /** Waits until the server has let go of the connection, and not only said that it will: what is sent then is reset. */
  cut(): Promise<void> {
    return this.until(() => {
      if (!this.closed) this.socket.write(frame('', { opcode: 9 }));
      return this.closed;
    });
  }

  async until(done: () => boolean, seconds = 300): Promise<void> {
    for (const deadline = performance.now() + seconds * 1_000; !done(); await sleep(10)) {
      if (performance.now() > deadline)
        throw new Error(`waited in vain: ${JSON.stringify({ code: this.code, closed: this.closed, texts: this.texts })}`);
    }
  }
}

export const UPGRADE = {
  Host: 'x',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
  'Sec-WebSocket-Protocol': 'musubi.v1',
};

/** A GET. */
export function request(target: string, headers: Record<string, string> = { Host: 'x' }): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
