import {
  type ChangeStream,
  type ChangeStreamInsertDocument,
  type Collection,
  type FindCursor,
  MongoClient,
  type Timestamp,
} from 'mongodb';
import { atMost, whenAborted } from '../concurrency/abort.ts';
import { Batcher } from '../concurrency/batcher.ts';
import { CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { type OutboxDocument, outboxOf } from '../mongo/collections.ts';
import type { Secret } from '../process/config.ts';
import type { StoredEvent } from './event.ts';
import { InFlight } from './in-flight.ts';
import { type LeaseStore, underLease } from './lease.ts';
import { BATCH, END_TIMEOUT_MS, every, LOOK_EVERY_MS, type OutboxSource, REMOVE_AFTER_MS, type RelayContext } from './source.ts';

/** The relay's one document, in the database of the outbox: who leads. */
interface RelayDocument {
  _id: 'relay';
  owner?: string;
  until?: Date;
}

type OutboxChange = ChangeStreamInsertDocument<OutboxDocument>;

/**
 * The collection `outbox` of a MongoDB database, read from its beginning and then followed by a change stream. A document
 * stays there until Kafka has it, so a relay needs no position that could be lost: it begins with what is there.
 */
export class MongoSource implements OutboxSource {
  readonly name: string;
  readonly #url: Secret;
  readonly #database: string;

  constructor(options: { name: string; url: Secret; database: string }) {
    this.name = options.name;
    this.#url = options.url;
    this.#database = options.database;
  }

  async run(context: RelayContext): Promise<void> {
    const client = new MongoClient(this.#url.reveal(), {
      appName: 'musubi-relay',
      maxPoolSize: 4,
      connectTimeoutMS: CONNECT_TIMEOUT_MS,
      serverSelectionTimeoutMS: CONNECT_TIMEOUT_MS,
      // Only this timeout notices a connection that died silently. It exceeds the stream's 5 s because a large sort takes longer.
      socketTimeoutMS: 30_000,
      writeConcern: { w: 'majority' },
      readConcern: { level: 'majority' },
    });
    const outbox = outboxOf(client.db(this.#database));
    const state = client.db(this.#database).collection<RelayDocument>('outbox_relay');
    const standBy = async (): Promise<void> => {
      context.standBy();
      context.waits(await oldest(outbox));
    };
    try {
      await state.updateOne({ _id: 'relay' }, { $setOnInsert: { _id: 'relay' } }, { upsert: true });
      await underLease(mongoLease(state), context.signal, standBy, (signal) => lead(client, outbox, context, signal));
    } finally {
      await atMost(END_TIMEOUT_MS, client.close());
    }
  }
}

async function lead(
  client: MongoClient,
  outbox: Collection<OutboxDocument>,
  context: RelayContext,
  signal: AbortSignal,
): Promise<void> {
  const inFlight = new InFlight();
  const removal = new Batcher<string[]>(
    async (sent) => {
      // By a majority: one that came back after a failover would be sent again, behind newer ones.
      await outbox.deleteMany({ _id: { $in: sent.flat() } });
      inFlight.ended(sent.flat());
    },
    BATCH,
    REMOVE_AFTER_MS,
  );
  const batcher = new Batcher<OutboxDocument>(async (rows) => {
    const sent = await context.publish(rows.map(toStored));
    const out = new Set(sent);
    inFlight.ended(rows.map(idOf).filter((id) => !out.has(id)));
    if (sent.length > 0) removal.push(sent);
  }, BATCH);
  let stream: ChangeStream<OutboxDocument, OutboxChange> | undefined;
  const follow = async (): Promise<never> => {
    const since = await sendAll(client, outbox, batcher, inFlight);
    stream = outbox.watch<OutboxDocument, OutboxChange>([{ $match: { operationType: 'insert' } }], {
      startAtOperationTime: since,
      batchSize: BATCH,
      maxAwaitTimeMS: 5_000,
    });
    // It ends, too, when the collection is dropped or renamed.
    for (;;) {
      const row = (await stream.next()).fullDocument;
      inFlight.reported([idOf(row)]);
      batcher.push(row);
      await batcher.room();
    }
  };
  const look = async (): Promise<void> => {
    if (context.waits(await oldest(outbox)) && !inFlight.sweeping) await sendAll(client, outbox, batcher, inFlight);
  };
  try {
    await context.lead();
    const broken = [batcher.failed, removal.failed];
    await Promise.race([...broken, follow(), every(LOOK_EVERY_MS, signal, look), whenAborted(signal)]);
  } finally {
    await atMost(END_TIMEOUT_MS, batcher.close());
    await atMost(END_TIMEOUT_MS, removal.flush());
    if (stream) await atMost(END_TIMEOUT_MS, stream.close());
  }
}

/**
 * Sends all that is in the outbox, as of one moment, and not under way, each aggregate in its order.
 *
 * @returns the time from which a change stream has what this has not seen
 */
async function sendAll(
  client: MongoClient,
  outbox: Collection<OutboxDocument>,
  batcher: Batcher<OutboxDocument>,
  inFlight: InFlight,
): Promise<Timestamp> {
  return client.withSession({ causalConsistency: true }, async (session) => {
    // What the session reads after this is at least as new as this time.
    await client.db(outbox.dbName).command({ ping: 1 }, { session });
    const since = session.operationTime;
    if (!since) throw new Error('the server tells no operation time: it is not a replica set');
    const rows = outbox.find(
      {},
      {
        session,
        readConcern: { level: 'snapshot' },
        sort: { aggregateid: 1, version: 1 },
        allowDiskUse: true,
        batchSize: BATCH,
      },
    );
    for await (const page of inFlight.sweep(pagesOf(rows), idOf)) {
      for (const row of page) batcher.push(row);
      await batcher.room();
    }
    return since;
  });
}

async function* pagesOf<Row>(rows: FindCursor<Row>): AsyncGenerator<Row[]> {
  for await (const row of rows) yield [row, ...rows.readBufferedDocuments()];
}

/** The ID of the document that is there for the longest time; by the order of insertion, for the hosts' clocks may differ. */
async function oldest(outbox: Collection<OutboxDocument>): Promise<string | undefined> {
  const found = await outbox.findOne({}, { sort: { $natural: 1 }, projection: { _id: 1 } });
  return found ? String(found._id) : undefined;
}

const idOf = ({ _id }: OutboxDocument): string => String(_id);

function toStored({ _id, createdAt, payload, ...row }: OutboxDocument): StoredEvent {
  return { ...row, key: String(_id), id: _id, json: payload, time: createdAt };
}

/** Uses the server's clock ($$NOW), so that the relays' own need not agree. */
function mongoLease(state: Collection<RelayDocument>): LeaseStore {
  return {
    take: async (owner, ms) => {
      const until = { $add: ['$$NOW', ms] };
      const free = {
        _id: 'relay' as const,
        $or: [
          { owner },
          { owner: { $exists: false } },
          { $expr: { $lt: ['$until', '$$NOW'] } },
          // Nobody takes it for so long: the clock has gone back since.
          { $expr: { $gt: ['$until', until] } },
        ],
      };
      return (await state.updateOne(free, [{ $set: { owner, until } }])).matchedCount === 1;
    },
    release: async (owner) => void (await state.updateOne({ _id: 'relay', owner }, { $unset: { owner: '', until: '' } })),
  };
}
