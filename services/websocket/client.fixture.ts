import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { isClientCode } from '#platform/problems.ts';
import { type ServerFrame, serverFrames } from './frames.ts';

/** A client that keeps what it was sent, and holds every frame against the schema of its type. */
export class TestClient {
  readonly frames: ServerFrame[] = [];
  readonly ws: WebSocket;
  closed: { code: number; reason: string } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(url: string, options: { token?: string; protocol?: string } = {}) {
    const { token, protocol = 'musubi.v1' } = options;
    this.ws = new WebSocket(url, protocol ? [protocol] : [], { headers: token ? { authorization: `Bearer ${token}` } : {} });
    this.ws.on('error', () => undefined);
    this.ws.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ServerFrame;
      serverFrames[frame.type].parse(frame);
      this.frames.push(frame);
      this.#change();
    });
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) };
      this.#change();
    });
  }

  static async open(url: string, token?: string): Promise<TestClient> {
    const client = new TestClient(url, token ? { token } : {});
    await once(client.ws, 'open');
    return client;
  }

  send(frame: unknown): void {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  of<T extends ServerFrame['type']>(type: T): Extract<ServerFrame, { type: T }>[] {
    return this.frames.filter((frame) => frame.type === type) as Extract<ServerFrame, { type: T }>[];
  }

  get jobIds(): string[] {
    return this.of('job').map(({ job }) => job.id);
  }

  /** The last place in the events that this client knows. */
  get cursor(): string {
    return this.frames.flatMap((frame) => ('cursor' in frame && frame.cursor ? [frame.cursor] : [])).at(-1) ?? '';
  }

  /** Waits until `done` holds. */
  async until(done: () => boolean | Promise<boolean>, seconds = 300): Promise<void> {
    const deadline = Date.now() + seconds * 1_000;
    while (!(await done())) {
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`waited in vain; got ${JSON.stringify(this.frames.slice(-3))}, closed ${JSON.stringify(this.closed)}`);
      await Promise.race([this.#changed.promise, sleep(Math.min(left, 250))]);
    }
  }

  async count<T extends ServerFrame['type']>(type: T, count: number): Promise<Extract<ServerFrame, { type: T }>[]> {
    await this.until(() => this.of(type).length >= count);
    return this.of(type);
  }

  async subscribe(topics: string[], cursor?: string): Promise<string> {
    const before = this.of('subscribed').length;
    this.send({ type: 'subscribe', topics, ...(cursor ? { cursor } : {}) });
    return (await this.count('subscribed', before + 1))[before]?.cursor ?? '';
  }

  /** Holds the reason against the document, too: what breaks the protocol is closed by the library, which gives none. */
  async closeCode(): Promise<number> {
    await this.until(() => this.closed !== undefined);
    const { code = 0, reason = '' } = this.closed ?? {};
    const problem = /^([A-Z_]+): [A-Z].+[^ ]$/.exec(reason)?.[1] ?? '';
    const isBare = [1002, 1006, 1007, 1008, 1009].includes(code) && reason === '';
    if (!isBare && !isClientCode(problem)) throw new Error(`closed with ${code} for "${reason}"`);
    return code;
  }

  /** Leaves without a goodbye, as a broken connection does. */
  drop(): void {
    this.ws.terminate();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
