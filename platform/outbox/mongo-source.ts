import {
  type ChangeStream,
  type ChangeStreamInsertDocument,
  type Collection,
  MongoClient,
  MongoServerError,
  type ResumeToken,
  type Timestamp,
} from 'mongodb';
import { whenAborted } from '../abort.ts';
import type { Secret } from '../config.ts';
import type { Logger } from '../log.ts';
import type { OutboxDocument } from '../operations/mongo.ts';
import { Batcher } from './batcher.ts';
import type { OutboxRecord } from './event.ts';
import { type LeaseStore, underLease } from './lease.ts';
import { BATCH, OUTBOX_KEPT_MS, type OutboxSource, type RelayContext } from './source.ts';

/** The relay's one document, in the database of the outbox: who leads, and how far it is. */
interface RelayDocument {
  _id: 'relay';
  owner?: string;
  until?: Date;
  /** Where the change stream goes on. */
  token?: ResumeToken;
  /** Where it goes on while there is no token; missing too: everything from `through` on is sent again. */
  from?: Timestamp;
  /** The time of the last event that Kafka has acknowledged. */
  through?: Date;
}

type OutboxChange = ChangeStreamInsertDocument<OutboxDocument>;

/** The position may be so much behind: a crash costs repeats, not a write for each event. */
const SAVE_EVERY_MS = 500;
const PRUNE_EVERY_MS = 3_600_000;
/** Clocks of services differ, and transactions take their time: what is sent again begins so much earlier. */
const MARGIN_MS = 5 * 60_000;
/** ChangeStreamHistoryLost, InvalidResumeToken, ChangeStreamFatalError: no stream goes on from this token. */
const TOKEN_IS_USELESS = new Set([286, 260, 280]);

/** The collection `outbox` of a MongoDB database, read by a change stream whose position is kept under a lease. */
export class MongoSource implements OutboxSource {
  readonly name: string;
  readonly #url: Secret;
  readonly #database: string;
  readonly #log: Logger;

  constructor(options: { name: string; url: Secret; database: string; log: Logger }) {
    this.name = options.name;
    this.#url = options.url;
    this.#database = options.database;
    this.#log = options.log;
  }

  async run(context: RelayContext): Promise<void> {
    const client = new MongoClient(this.#url.reveal(), {
      appName: 'musubi-relay',
      maxPoolSize: 4,
      connectTimeoutMS: 3_000,
      serverSelectionTimeoutMS: 3_000,
      writeConcern: { w: 'majority' },
      readConcern: { level: 'majority' },
    });
    try {
      const outbox = client.db(this.#database).collection<OutboxDocument>('outbox');
      const state = client.db(this.#database).collection<RelayDocument>('outbox_relay');
      await state.updateOne({ _id: 'relay' }, { $setOnInsert: { _id: 'relay' } }, { upsert: true });
      await underLease(mongoLease(state), context.signal, context.standBy, (owner, signal) =>
        new Leader({ client, outbox, state, owner, context, log: this.#log }).lead(signal),
      );
    } finally {
      await client.close();
    }
  }
}

interface Term {
  client: MongoClient;
  outbox: Collection<OutboxDocument>;
  state: Collection<RelayDocument>;
  owner: string;
  context: RelayContext;
  log: Logger;
}

/** One term of leadership. */
class Leader {
  readonly #client: MongoClient;
  readonly #outbox: Collection<OutboxDocument>;
  readonly #state: Collection<RelayDocument>;
  readonly #owner: string;
  readonly #context: RelayContext;
  readonly #log: Logger;
  #token: ResumeToken;
  #through: Date | undefined;
  #saved: ResumeToken;
  #savedAt = 0;

  constructor(term: Term) {
    this.#client = term.client;
    this.#outbox = term.outbox;
    this.#state = term.state;
    this.#owner = term.owner;
    this.#context = term.context;
    this.#log = term.log;
  }

  async lead(signal: AbortSignal): Promise<void> {
    const state = await this.#state.findOne({ _id: 'relay' });
    this.#token = state?.token;
    this.#through = state?.through;
    const from = this.#token ? { startAfter: this.#token } : { startAtOperationTime: state?.from ?? (await this.#sendOld()) };
    const stream = this.#outbox.watch<OutboxDocument, OutboxChange>([{ $match: { operationType: 'insert' } }], {
      ...from,
      batchSize: BATCH,
      maxAwaitTimeMS: 5_000,
    });
    const batcher = new Batcher<OutboxChange>((changes) => this.#send(changes), BATCH);
    const tick = setInterval(() => {
      // When all is sent, the stream's own position is ahead of the last event's: it moves on with other collections.
      if (batcher.idle) this.#token = stream.resumeToken ?? this.#token;
      this.#saveSoon();
    }, SAVE_EVERY_MS);
    const prune = setInterval(() => void this.#prune(), PRUNE_EVERY_MS);
    try {
      await this.#context.lead();
      await Promise.race([read(stream, batcher), batcher.failed, whenAborted(signal)]);
    } catch (error) {
      if (!(error instanceof MongoServerError) || !TOKEN_IS_USELESS.has(Number(error.code))) throw error;
      this.#log.warn({ err: error }, 'the position in the change stream is lost: recent events are sent again');
      this.#token = undefined;
      await this.#state.updateOne({ _id: 'relay', owner: this.#owner }, { $unset: { token: '', from: '' } });
      throw error;
    } finally {
      clearInterval(tick);
      clearInterval(prune);
      await batcher.close();
      await this.#save().catch(() => undefined);
      await stream.close().catch(() => undefined);
    }
  }

  async #send(changes: OutboxChange[]): Promise<void> {
    await this.#context.publish(changes.map((change) => toEvent(change.fullDocument)));
    const last = changes.at(-1);
    this.#token = last?._id;
    this.#through = last?.fullDocument.createdAt;
    if (Date.now() - this.#savedAt >= SAVE_EVERY_MS) this.#saveSoon();
  }

  /**
   * Sends what was written before there was a position, each key in order.
   *
   * @returns the time from which the change stream has what this has not seen
   */
  async #sendOld(): Promise<Timestamp> {
    return this.#client.withSession({ causalConsistency: true }, async (session) => {
      // What the session reads after this is at least as new as this time.
      await this.#client.db(this.#outbox.dbName).command({ ping: 1 }, { session });
      const start = session.operationTime;
      if (!start) throw new Error('the server tells no operation time: it is not a replica set');
      const filter = this.#through ? { createdAt: { $gte: new Date(this.#through.getTime() - MARGIN_MS) } } : {};
      const rows = this.#outbox.find(filter, {
        session,
        sort: { aggregateid: 1, version: 1 },
        allowDiskUse: true,
        batchSize: BATCH,
      });
      let batch: OutboxDocument[] = [];
      const flush = async (): Promise<void> => {
        await this.#context.publish(batch.map(toEvent));
        batch = [];
      };
      for await (const row of rows) {
        batch.push(row);
        if (batch.length === BATCH) await flush();
      }
      if (batch.length > 0) await flush();
      await this.#state.updateOne({ _id: 'relay', owner: this.#owner }, { $set: { from: start } });
      return start;
    });
  }

  #saveSoon(): void {
    this.#savedAt = Date.now();
    this.#save().catch((error: unknown) => this.#log.debug({ err: error }, 'the position was not saved'));
  }

  /** Saves the position, unless it has not moved or another relay leads by now. */
  async #save(): Promise<void> {
    const token = this.#token;
    if (token === undefined || token === this.#saved) return;
    const through = this.#through ? { through: this.#through } : {};
    await this.#state.updateOne({ _id: 'relay', owner: this.#owner }, { $set: { token, ...through } });
    this.#saved = token;
  }

  async #prune(): Promise<void> {
    const sent = (this.#through?.getTime() ?? 0) - MARGIN_MS;
    const before = new Date(Math.min(Date.now() - OUTBOX_KEPT_MS, sent));
    await this.#outbox
      .deleteMany({ createdAt: { $lt: before } })
      .catch((error: unknown) => this.#log.warn({ err: error }, 'could not prune the outbox; it is tried again in an hour'));
  }
}

async function read(stream: ChangeStream<OutboxDocument, OutboxChange>, batcher: Batcher<OutboxChange>): Promise<never> {
  for (;;) {
    batcher.push(await stream.next());
    await batcher.room();
  }
}

function toEvent(row: OutboxDocument): OutboxRecord {
  return {
    id: row._id,
    aggregateType: row.aggregatetype,
    aggregateId: row.aggregateid,
    type: row.type,
    version: row.version,
    payload: JSON.parse(row.payload) as unknown,
    traceparent: row.traceparent,
    time: row.createdAt,
  };
}

/** Uses the server's clock ($$NOW), so that the relays' own need not agree. */
function mongoLease(state: Collection<RelayDocument>): LeaseStore {
  return {
    take: async (owner, ms) => {
      const free = {
        _id: 'relay' as const,
        $or: [{ owner }, { owner: { $exists: false } }, { $expr: { $lt: ['$until', '$$NOW'] } }],
      };
      const update = [{ $set: { owner, until: { $add: ['$$NOW', ms] } } }];
      return (await state.updateOne(free, update)).matchedCount === 1;
    },
    release: async (owner) => void (await state.updateOne({ _id: 'relay', owner }, { $unset: { owner: '', until: '' } })),
  };
}
