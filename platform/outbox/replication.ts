import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { PgoutputPlugin } from 'pg-logical-replication';
import { CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';

/*
 * PostgreSQL's streaming replication protocol over pg's connection, with pg-logical-replication's parser of pgoutput.
 * That library's own service is not used: it acknowledges one byte too far, hands over message by message (no batches),
 * and reports nothing of how far an idle server is.
 * https://www.postgresql.org/docs/current/protocol-replication.html
 */

/** A position in the write-ahead log. */
export type Lsn = bigint;

export interface ReplicationOptions {
  /** A connection string with the database. */
  url: string;
  slot: string;
  publication: string;
  /** The name of the table whose rows are wanted. */
  table: string;
}

export interface ReplicationHandlers {
  /**
   * The rows that one committed transaction inserted into the table. Other sessions may not see them yet. `end` acknowledges
   * it and all before.
   */
  transaction(rows: Record<string, unknown>[], xid: number, end: Lsn): void;
  /** Everything before `position` has been handed over; `wanted` when the server asks how far we are. */
  progress(position: Lsn, wanted: boolean): void;
}

/** What pg has but does not declare. */
interface CopyConnection {
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  once(event: 'replicationStart', listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
  stream: Socket;
}

const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
const STATUS_UPDATE = 0x72;
const SLOT_IN_USE = '55006';
const START_ATTEMPTS = 50;
/** As long as PostgreSQL's subscribers bear it by default: a server that decodes a large transaction may say nothing for a while. */
const SILENT_AFTER_MS = 60_000;
/** Microseconds from 1970 to 2000, where the protocol's time begins. */
const EPOCH_2000 = 946_684_800_000_000n;

/**
 * SQLSTATE classes of errors that say nothing about the slot: connections, authorisation, resources, somebody's
 * intervention, and a slot that is in use.
 */
const PASSING = /^(08|28|53|57|55006$)/;

/**
 * Whether the server will not decode from the slot, now or ever: what it needs is gone or damaged, it was made for another
 * plugin, or (before PostgreSQL 18) it has to pass a moment at which the publication did not exist.
 */
export function isUseless(error: unknown): boolean {
  return error instanceof DatabaseError && !PASSING.test(error.code ?? '');
}

/** A running replication stream. After any failure it is thrown away and another one is opened. */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #client: Client;
  readonly #connection: CopyConnection;
  readonly #parser: PgoutputPlugin;
  readonly #handlers: ReplicationHandlers;
  #rows: Record<string, unknown>[] = [];
  #xid = 0;
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects when the stream breaks. Never resolves. */
  readonly failed: Promise<never>;
  /** What broke it, or kept it from starting. */
  fault: unknown;
  /** When the server has last said anything. */
  #heard = performance.now();

  constructor(options: ReplicationOptions, handlers: ReplicationHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#parser = new PgoutputPlugin({ protoVersion: 1, publicationNames: [options.publication] });
    this.#client = new Client({
      connectionString: options.url,
      // Not in the types: makes the server's process a WAL sender for this database.
      ...{ replication: 'database' },
      application_name: 'musubi-relay',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      // Dates come as text, in the form that the server is set to.
      options: '-c datestyle=ISO -c timezone=UTC',
    });
    this.#connection = (this.#client as unknown as { connection: CopyConnection }).connection;
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = (error) => {
        this.fault ??= error;
        reject(error);
      };
    });
    this.failed.catch(() => undefined); // may come before anybody waits
    this.#client.on('error', (error) => this.#fail(error));
    this.#client.on('end', () => this.#fail(new Error('the server ended the replication')));
  }

  /**
   * Starts at what the slot has confirmed. Waits a few seconds for a slot that is in use: the server may not yet
   * have seen that its last reader is gone.
   *
   * @throws SQLSTATE 42704 when there is no such slot
   */
  async start(): Promise<void> {
    await this.#client.connect();
    this.#connection.on('copyData', ({ chunk }) => {
      try {
        this.#receive(chunk);
      } catch (error) {
        this.#fail(error);
        this.#connection.stream.destroy();
      }
    });
    const { slot, publication } = this.#options;
    // The replication grammar knows its keywords in upper case only.
    const command = `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names '"${publication}"')`;
    for (let attempt = 1; ; attempt++) {
      const started = new Promise<void>((resolve) => this.#connection.once('replicationStart', resolve));
      // The command's promise settles when the stream ends.
      const ended = this.#client.query(command).then(() => Promise.reject(new Error('the server ended the replication')));
      try {
        await Promise.race([started, ended]);
        ended.catch((error: unknown) => this.#fail(error));
        return;
      } catch (error) {
        if (attempt === START_ATTEMPTS || !(error instanceof DatabaseError) || error.code !== SLOT_IN_USE) {
          this.#fail(error);
          throw error;
        }
        await sleep(100);
      }
    }
  }

  /**
   * Tells the server how far we are, and asks how far it is. Fails when it is silent in spite of that, for a connection that
   * has died without a word is noticed here only. Not to be asked while the stream pauses.
   */
  ask(position: Lsn): void {
    if (performance.now() - this.#heard > SILENT_AFTER_MS) this.#fail(new Error('the replication is silent'));
    else this.acknowledge(position, true);
  }

  /**
   * Tells the server that everything before `position` need not be sent again.
   *
   * @param answer whether it is to say at once how far it is itself
   */
  acknowledge(position: Lsn, answer = false): void {
    const message = Buffer.alloc(34);
    message.writeUInt8(STATUS_UPDATE, 0);
    // Written, flushed, applied: to us they are one.
    for (const at of [1, 9, 17]) message.writeBigUInt64BE(position, at);
    message.writeBigInt64BE(BigInt(Date.now()) * 1_000n - EPOCH_2000, 25);
    message.writeUInt8(answer ? 1 : 0, 33);
    this.#connection.sendCopyFromChunk(message);
  }

  pause(): void {
    this.#connection.stream.pause();
  }

  resume(): void {
    this.#heard = performance.now();
    this.#connection.stream.resume();
  }

  async close(): Promise<void> {
    this.#connection.stream.destroy(); // end() would wait for the server, which goes on sending
    await this.#client.end().catch(() => undefined);
  }

  #receive(chunk: Buffer): void {
    this.#heard = performance.now();
    if (chunk[0] === KEEPALIVE) this.#handlers.progress(chunk.readBigUInt64BE(1), chunk[17] === 1);
    if (chunk[0] !== XLOG_DATA) return;
    const message = this.#parser.parse(chunk.subarray(25));
    switch (message.tag) {
      case 'begin':
        this.#rows = [];
        this.#xid = message.xid;
        break;
      case 'insert':
        // Somebody may have added tables to the publication.
        if (message.relation.name === this.#options.table) this.#rows.push(message.new);
        break;
      case 'commit':
        this.#handlers.transaction(this.#rows, this.#xid, parseLsn(message.commitEndLsn));
        break;
      default: // relations and types are the parser's own
    }
  }
}

/** @param text as PostgreSQL writes it: two numbers of 32 bits in hexadecimal, `16/B374D848` */
export function parseLsn(text: string | null): Lsn {
  const [high, low] = (text ?? '').split('/');
  if (!high || !low) throw new Error(`not a position in the log: ${text}`);
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
