import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../log.ts';

/** How long the first bytes of a new connection may be under way, ms: a stop does not take it for an unused one. */
const ARRIVING_MS = 500;

export interface ConnectionLimits {
  /** Connections at a time. For one more the one that is idle the longest is cut, and if none is, the new one. */
  connections: number;
  /** Requests of one connection that are worked on, or answered and not yet sent, at a time. */
  inFlight: number;
  /**
   * Requests of one connection that may queue behind those in flight. With more, the connection is not read. With fewer
   * it is read, because an unread connection does not show that its client has left.
   */
  waiting: number;
  /** Requests that wait on all connections. The connection that brings more (64 KiB are read at once) is cut. */
  waitingInAll: number;
  /** How long an answer may wait for its client to read any of it, ms. */
  unread: number;
}

/** The connections of an HTTP server, and what each may have in flight: a client that doesn't read is not worked for. */
export class Connections {
  readonly limits: ConnectionLimits;
  readonly #log: Logger;
  readonly #all = new Map<Socket, Connection>();
  /** Those without a request, in the order in which they became so. */
  readonly #idle = new Map<Socket, Connection>();
  /** Requests that wait for their turn. */
  waiting = 0;
  /** Since the last sweep. */
  #cut = 0;
  #refused: Error | undefined;

  constructor(limits: ConnectionLimits, log: Logger) {
    this.limits = limits;
    this.#log = log;
  }

  get size(): number {
    return this.#all.size;
  }

  add(socket: Socket): void {
    if (this.#all.size >= this.limits.connections) {
      const [oldest = socket] = this.#idle.keys();
      this.cut(oldest);
      if (oldest === socket) return;
      this.#all.delete(oldest);
      this.#idle.delete(oldest);
    }
    const connection = new Connection(socket, this);
    this.#all.set(socket, connection);
    this.#idle.set(socket, connection);
    socket.once('close', () => {
      this.forget(socket);
      connection.closed();
    });
  }

  of(socket: Socket): Connection | undefined {
    return this.#all.get(socket);
  }

  /** Somebody else looks after it from now on. */
  forget(socket: Socket): void {
    this.#all.delete(socket);
    this.#idle.delete(socket);
  }

  /** @param idle whether it has no request any more */
  setIdle(connection: Connection, idle: boolean): void {
    const { socket } = connection;
    if (!idle) this.#idle.delete(socket);
    else if (this.#all.has(socket)) this.#idle.set(socket, connection);
  }

  cut(socket: Socket): void {
    this.#cut += 1;
    socket.destroy();
  }

  /** The system could not accept a connection: there are too many open files. */
  unaccepted(error: Error): void {
    this.#cut += 1;
    this.#refused = error;
  }

  /** Call it every few seconds. Cuts connections whose clients do not read, and logs all cuts since the last call in one line. */
  sweep(): void {
    const now = performance.now();
    for (const connection of this.#all.values()) if (connection.unreadFor(now) >= this.limits.unread) this.cut(connection.socket);
    if (this.#cut === 0) return;
    const numbers = { cut: this.#cut, connections: this.size, waiting: this.waiting };
    this.#log.warn(
      { ...numbers, err: this.#refused },
      'connections were cut: there were too many, or their clients did not read',
    );
    this.#cut = 0;
    this.#refused = undefined;
  }

  /** Closes those that were opened for later, and never used: Node does not count them as idle. */
  closeUnused(): void {
    const opened = performance.now() - ARRIVING_MS;
    for (const { socket, acceptedAt } of this.#all.values()) if (socket.bytesRead === 0 && acceptedAt < opened) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.#all.keys()) socket.destroy();
  }
}

export class Connection {
  readonly socket: Socket;
  /** In ms of `performance.now()`. */
  readonly acceptedAt = performance.now();
  readonly #all: Connections;
  /** The answers that are not sent, in order. */
  readonly #unanswered: ServerResponse[] = [];
  /** What waits for its turn: the last of these. */
  readonly #waiting: (() => void)[] = [];
  /** How many bytes had been taken when that last changed, and when it was. */
  #read = { bytes: 0, at: 0 };
  /** Nothing more of it is read as a request. */
  over = false;

  constructor(socket: Socket, all: Connections) {
    this.socket = socket;
    this.#all = all;
    // Reading a request's body resumes the whole socket, although too many requests may wait. If the socket was paused in
    // between, `pause()` emits nothing, so the explicit event stops the listeners of `resume` that have just started
    // reading.
    socket.on('resume', () => {
      if (this.#tooMany) socket.pause().emit('pause');
    });
  }

  get #tooMany(): boolean {
    return this.#waiting.length > this.#all.limits.waiting;
  }

  get busy(): boolean {
    return this.#unanswered.length > 0;
  }

  /** No request is read from it any more; it is not idle. */
  detach(): void {
    this.over = true;
    this.#all.setIdle(this, false);
  }

  /** The newest answer that is not sent, unless its request still waits for its turn. */
  get newest(): ServerResponse | undefined {
    return this.#waiting.length > 0 ? undefined : this.#unanswered.at(-1);
  }

  /** Runs `work`, which answers `response`, when its turn comes; never, if the client leaves first. */
  take(response: ServerResponse, work: () => void): void {
    if (this.over) return;
    this.#all.setIdle(this, false);
    this.#unanswered.push(response);
    response.once('close', () => this.#answered(response));
    if (this.#unanswered.length <= this.#all.limits.inFlight) {
      work();
      return;
    }
    if (this.#all.waiting >= this.#all.limits.waitingInAll) {
      this.over = true;
      this.#all.cut(this.socket);
      return;
    }
    this.#all.waiting += 1;
    this.#waiting.push(work);
    if (this.#tooMany) this.socket.pause();
  }

  #answered(response: ServerResponse): void {
    const at = this.#unanswered.indexOf(response);
    if (at !== -1) this.#unanswered.splice(at, 1);
    const next = this.#waiting.shift();
    if (next) {
      this.#all.waiting -= 1;
      if (!this.#tooMany) this.socket.resume();
      next();
    } else if (this.#unanswered.length === 0) {
      this.#all.setIdle(this, true);
    }
  }

  /** Drops the requests that wait. Requests that run learn of it by their response's `close`. */
  closed(): void {
    this.over = true;
    this.#all.waiting -= this.#waiting.length;
    this.#waiting.length = 0;
  }

  /** For how many ms an answer has waited without its client having read any of it. */
  unreadFor(now: number): number {
    const { bytesWritten, writableLength } = this.socket;
    const bytes = bytesWritten - writableLength;
    if (writableLength === 0 || bytes !== this.#read.bytes) this.#read = { bytes, at: now };
    return now - this.#read.at;
  }
}
