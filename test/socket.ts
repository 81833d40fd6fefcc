import { once } from 'node:events';
import WebSocket from 'ws';
import { address } from './client.ts';

/** Any frame of the server, by the AsyncAPI document. */
export interface Frame {
  type: string;
  cursor?: string;
  job?: { id: string; state: string; command: string; updatedAt: string; error?: { code: string } };
  code?: string;
  topic?: string;
  topics?: string[];
  cursors?: Record<string, string>;
  change?: string;
  groupId?: string;
  memberId?: string;
  version?: number;
  ref?: string;
  roomId?: string;
  message?: { id: string; sequence: number; text?: string };
  messageId?: string;
  sequence?: number;
}

const FINAL = new Set(['completed', 'failed', 'cancelled']);

/** A client's socket that keeps what it was sent. */
export class Socket {
  readonly frames: Frame[] = [];
  readonly #ws: WebSocket;
  readonly #waiting = new Set<() => void>();
  /** The close code, once it is closed. */
  closed: number | undefined;
  /** Is given each frame as it comes. */
  onFrame: ((frame: Frame) => void) | undefined;
  /** Is told that it was closed. */
  onClose: (() => void) | undefined;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame;
      this.frames.push(frame);
      this.onFrame?.(frame);
      for (const wake of this.#waiting) wake();
    });
    ws.on('close', (code) => {
      this.closed = code;
      this.onClose?.();
      for (const wake of this.#waiting) wake();
    });
  }

  /** Opens a socket; with a token it authenticates by header. */
  static async open(token?: string, url = address('MUSUBI_WEBSOCKET_URL')): Promise<Socket> {
    const ws = new WebSocket(url, 'musubi.v1', token ? { headers: { authorization: `Bearer ${token}` } } : {});
    const socket = new Socket(ws);
    await once(ws, 'open');
    return socket;
  }

  send(frame: object): void {
    this.#ws.send(JSON.stringify(frame));
  }

  /** The frame that tells of the end of a job; one that says `applied` may come before it. */
  end(jobId: string | undefined): Promise<Frame> {
    return this.frame(({ job }) => job?.id === jobId && FINAL.has(job?.state ?? ''));
  }

  /** The jobs whose ends came, in their order. */
  get ended(): string[] {
    return this.frames.flatMap(({ job }) => (job && FINAL.has(job.state) ? [job.id] : []));
  }

  /** The first frame, already here or yet to come, for which `found` holds. */
  async frame(found: (frame: Frame) => boolean, seconds = 60): Promise<Frame> {
    const deadline = Date.now() + seconds * 1_000;
    for (;;) {
      const match = this.frames.find(found);
      if (match) return match;
      await this.#change(deadline, () => `no such frame; got ${JSON.stringify(this.frames.slice(-5))}`);
    }
  }

  async close(): Promise<void> {
    this.#ws.close();
    const deadline = Date.now() + 60_000;
    while (this.closed === undefined) await this.#change(deadline, () => 'does not close');
  }

  async closeCode(seconds = 60): Promise<number> {
    const deadline = Date.now() + seconds * 1_000;
    while (this.closed === undefined) await this.#change(deadline, () => 'is still open');
    return this.closed;
  }

  #change(deadline: number, why: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(
        () => {
          this.#waiting.delete(done);
          reject(new Error(why()));
        },
        Math.max(1, deadline - Date.now()),
      );
      this.#waiting.add(done);
    });
  }
}
