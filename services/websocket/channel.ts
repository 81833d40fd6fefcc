import type { WebSocket } from 'ws';
import { CLOSE, type CloseCode, type Limits } from './domain.ts';
import type { ServerFrame } from './frames.ts';
import { framesSent, socketsClosed } from './metrics.ts';

/** One socket's way to its client: what is sent waits for the client, but neither for ever nor without bound. */
export class Channel {
  readonly #ws: WebSocket;
  readonly #limits: Limits;
  readonly #ending = new AbortController();
  #alive = true;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;

  constructor(ws: WebSocket, limits: Limits) {
    this.#ws = ws;
    this.#limits = limits;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    ws.on('pong', () => {
      this.#alive = true;
    });
    ws.on('close', () => {
      this.#ending.abort();
      resolve();
    });
  }

  get closing(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Aborts when the socket begins to close, whoever closes it. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Sends a frame; resolves when there is room for more. */
  send(frame: ServerFrame): Promise<void> {
    return this.sendText(frame.type, JSON.stringify(frame));
  }

  async sendText(type: ServerFrame['type'], text: string): Promise<void> {
    if (this.closing) return;
    framesSent.inc({ type });
    const { promise: written, resolve } = Promise.withResolvers<void>();
    this.#ws.send(text, () => resolve());
    if (this.#ws.bufferedAmount <= this.#limits.bufferedBytes) return;
    const stalled = setTimeout(
      () => this.close(CLOSE.tooSlow, 'too slow: connect again with the last cursor'),
      this.#limits.stallMs,
    );
    await Promise.race([written, this.closed]);
    clearTimeout(stalled);
  }

  /** Stops reading, so that the client must wait; what had come already is still received. */
  pause(): void {
    if (!this.closing) this.#ws.pause();
  }

  resume(): void {
    // A sign of life could not be read meanwhile.
    this.#alive = true;
    this.#ws.resume();
  }

  /** Asks for a sign of life; without one since the last time, the client is dead. */
  probe(): void {
    if (this.#ws.isPaused) return;
    if (!this.#alive) {
      this.#ws.terminate();
      return;
    }
    this.#alive = false;
    this.#ws.ping();
  }

  /** Closes the socket; a client that does not answer is cut off. */
  close(code: CloseCode, reason: string): void {
    if (this.closing) return;
    this.#ending.abort();
    socketsClosed.inc({ code });
    this.#ws.close(code, reason);
    // To read the client's goodbye.
    this.#ws.resume();
    const cut = setTimeout(() => this.#ws.terminate(), this.#limits.goodbyeMs);
    void this.closed.then(() => clearTimeout(cut));
  }

  /** Closes the socket without waiting for the client. */
  cut(code: CloseCode, reason: string): void {
    this.close(code, reason);
    this.#ws.terminate();
  }
}
