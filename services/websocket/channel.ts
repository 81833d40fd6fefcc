import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Logger } from '#platform/process/log.ts';
import { CLOSE, type Closing, closing, type Limits } from './domain.ts';
import type { ServerFrame } from './frames.ts';
import { Framing } from './framing.ts';
import { framesSent, socketsClosed } from './metrics.ts';

/**
 * One socket's way to its client: what is sent waits for the client, and what is received for its end, but neither for
 * ever nor without bound.
 */
export class Channel {
  readonly #ws: WebSocket;
  readonly #limits: Limits;
  readonly #log: Logger;
  readonly #ending = new AbortController();
  readonly #framing = new Framing();
  /** Runs while the rest of a message is to come. */
  #rest: NodeJS.Timeout | undefined;
  #alive = true;
  #known = false;
  #bytes = 0;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;

  /** @param socket that `ws` is on */
  constructor(ws: WebSocket, socket: Duplex, limits: Limits, log: Logger) {
    this.#ws = ws;
    this.#limits = limits;
    this.#log = log;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    ws.on('pong', () => {
      this.#alive = true;
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#received(chunk);
      } catch (error) {
        // Thrown in an event's listener it would end the process, and all other sockets.
        this.fail(error);
      }
    });
    // The library closes the socket after a violation of the protocol, or of a limit.
    ws.on('error', (error) => {
      log.debug({ reason: error.message }, 'a socket failed');
      this.#end();
    });
    ws.on('close', () => {
      this.#ending.abort();
      clearTimeout(this.#rest);
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

  /** The client has said who it is. */
  welcome(): void {
    this.#known = true;
  }

  /** Sends a frame; resolves when there is room for more. */
  send(frame: ServerFrame): Promise<void> {
    return this.sendText(frame.type, JSON.stringify(frame));
  }

  /** @param text as it goes to the client: of many clients, it is the same bytes */
  async sendText(type: ServerFrame['type'], text: string | Buffer): Promise<void> {
    if (this.closing) return;
    framesSent.inc({ type });
    const { promise: written, resolve } = Promise.withResolvers<void>();
    this.#ws.send(text, { binary: false }, () => resolve());
    if (this.#ws.bufferedAmount <= this.#limits.bufferedBytes) return;
    const stalled = setTimeout(() => this.close(closing('tooSlow', 'TOO_SLOW')), this.#limits.stallMs);
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
    this.#awaitRest();
  }

  #received(chunk: Buffer): void {
    if (this.closing) return;
    this.#framing.read(chunk);
    this.#bytes += chunk.length;
    const first = !this.#known && this.#framing.messages === 0;
    if (first && this.#bytes > this.#limits.unauthenticatedBytes)
      this.close(closing('unauthenticated', 'TOKEN_MISSING', 'the first frame must be auth, and short'));
    this.#awaitRest();
  }

  /** A client is not read while one of its messages is handled, so that each message has its own time. */
  #awaitRest(): void {
    if (this.closing || this.#ws.isPaused || !this.#framing.unfinished) this.#stopWaiting();
    else
      this.#rest ??= setTimeout(
        () => this.close(closing('unfinished', 'BAD_FRAME', 'a frame did not come whole in time')),
        this.#limits.messageMs,
      );
  }

  #stopWaiting(): void {
    clearTimeout(this.#rest);
    this.#rest = undefined;
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
  close({ code, reason }: Closing): void {
    if (this.closing) return;
    socketsClosed.inc({ code });
    // Others wait for the sockets of a session that has ended to be gone.
    this.#end(code !== CLOSE.revoked);
    this.#ws.close(code, reason);
    // To read the client's goodbye.
    this.#ws.resume();
  }

  /** Nothing is sent any more, and the client has a moment to go: one that is known, and may stay, a longer one. */
  #end(mayStay = true): void {
    if (this.closing) return;
    this.#ending.abort();
    this.#stopWaiting();
    const { goodbyeMs, unauthenticatedGoodbyeMs } = this.#limits;
    const cut = setTimeout(() => this.#ws.terminate(), this.#known && mayStay ? goodbyeMs : unauthenticatedGoodbyeMs);
    this.closed.then(() => clearTimeout(cut)).catch((error: unknown) => this.fail(error));
  }

  /** Closes the socket on a defect of ours. */
  fail(error: unknown): void {
    this.#log.error({ err: error }, 'a socket failed on a defect');
    this.close(closing('defect', 'INTERNAL'));
  }

  /** Closes the socket without waiting for the client. */
  cut(how: Closing): void {
    this.close(how);
    this.#ws.terminate();
  }
}
