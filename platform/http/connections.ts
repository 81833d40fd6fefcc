import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../process/log.ts';
import { networkOf } from './network.ts';

/** How long the first bytes of a new connection may be under way, ms: a stop does not take it for an unused one. */
const ARRIVING_MS = 500;

export interface ConnectionLimits {
  /**
   * Connections at a time. For one more, one is cut of the network (`network.ts`) that has the most: the one that waits
   * longest for its client, which sends no request, does not send it to its end, or does not read its answer. If none
   * waits for its client, the new one is cut.
   */
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
  /** How long an answer may be read in all, however slowly, ms; it begins when the answers before it have been read. */
  reading: number;
}

/** The connections of an HTTP server, and what each may have in flight: a client that doesn't read is not worked for. */
export class Connections {
  readonly limits: ConnectionLimits;
  readonly #log: Logger;
  readonly #all = new Map<Socket, Connection>();
  /** By network; those that have waited longest, for their client or for us, come first. */
  readonly #networks = new Map<string, Set<Connection>>();
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
      const loser = this.#longestWaiting();
      this.cut(loser?.socket ?? socket);
      if (!loser) return;
      this.forget(loser.socket);
    }
    const connection = new Connection(socket, this);
    this.#all.set(socket, connection);
    this.moved(connection);
    socket.once('close', () => {
      this.forget(socket);
      connection.closed();
    });
  }

  of(socket: Socket): Connection | undefined {
    return this.#all.get(socket);
  }

  /** From now on its new owner closes it. */
  forget(socket: Socket): void {
    const connection = this.#all.get(socket);
    if (!connection) return;
    this.#all.delete(socket);
    const network = this.#networks.get(connection.network);
    network?.delete(connection);
    if (network?.size === 0) this.#networks.delete(connection.network);
  }

  /** A request has come on it, or was answered: from now on it waits for the next thing. */
  moved(connection: Connection): void {
    if (!this.#all.has(connection.socket)) return;
    const network = this.#networks.get(connection.network) ?? new Set();
    this.#networks.set(connection.network, network);
    network.delete(connection);
    network.add(connection);
  }

  #longestWaiting(): Connection | undefined {
    let largest = new Set<Connection>();
    for (const network of this.#networks.values()) if (network.size > largest.size) largest = network;
    for (const network of [largest, ...this.#networks.values()])
      for (const connection of network) if (connection.waitsForClient) return connection;
    return undefined;
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
    const { unread, reading } = this.limits;
    for (const connection of this.#all.values())
      if (connection.unreadFor(now) >= unread || connection.readFor(now) >= reading) this.cut(connection.socket);
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
  readonly network: string;
  readonly #all: Connections;
  /** The answers that are not sent, in order. */
  readonly #unanswered: ServerResponse[] = [];
  /** What waits for its turn: the last of these. */
  readonly #waiting: (() => void)[] = [];
  /** How many bytes had been taken when that last changed, and when it was. */
  #read = { bytes: 0, at: 0 };
  /** The answer that is being read, and since when. */
  #reading: { response: ServerResponse | undefined; since: number } = { response: undefined, since: 0 };
  /** Nothing more of it is read as a request. */
  over = false;

  constructor(socket: Socket, all: Connections) {
    this.socket = socket;
    this.network = networkOf(socket.remoteAddress ?? '');
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

  /** Whether nothing but its client can make it go on. */
  get waitsForClient(): boolean {
    const [first] = this.#unanswered;
    return !first?.req.complete || this.socket.writableLength > 0;
  }

  /** No request is read from it any more. */
  detach(): void {
    this.over = true;
  }

  /** The newest answer that is not sent, unless its request still waits for its turn. */
  get newest(): ServerResponse | undefined {
    return this.#waiting.length > 0 ? undefined : this.#unanswered.at(-1);
  }

  /** Runs `work`, which answers `response`, when its turn comes; never, if the client leaves first. */
  take(response: ServerResponse, work: () => void): void {
    if (this.over) return;
    this.#unanswered.push(response);
    this.#all.moved(this);
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
    this.#all.moved(this);
    const next = this.#waiting.shift();
    if (next) {
      this.#all.waiting -= 1;
      if (!this.#tooMany) this.socket.resume();
      next();
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

  /** For how many ms its oldest answer has been read. */
  readFor(now: number): number {
    const [response] = this.#unanswered;
    if (response !== this.#reading.response || this.socket.writableLength === 0) this.#reading = { response, since: now };
    return now - this.#reading.since;
  }
}
