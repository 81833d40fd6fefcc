import { atMost, whenAborted } from '../concurrency/abort.ts';
import { Batcher } from '../concurrency/batcher.ts';
import type { Secret } from '../process/config.ts';
import type { Logger } from '../process/log.ts';
import { type Cluster, connectOwner, connectRedisOrCluster, type Redis } from '../redis/client.ts';
import type { StoredEvent } from './event.ts';
import { type LeaseStore, underLease } from './lease.ts';
import { streamsOf } from './redis-outbox.ts';
import { BATCH, END_TIMEOUT_MS, every, LOOK_EVERY_MS, type OutboxSource, type RelayContext } from './source.ts';

/** How long an idle read waits at the server. */
const BLOCK_MS = 5_000;
const BEGINNING = '0-0';

type Entry = [id: string, fields: string[]];

/** What was read from a stream, and what comes of it. */
interface Read {
  events: StoredEvent[];
  sent: PromiseWithResolvers<string[]>;
}

/**
 * The Redis streams that a service's scripts add events to, one or one in each partition. An entry stays there until Kafka has it, so a relay
 * needs no position that could be lost: it begins with what is there.
 */
export class RedisSource implements OutboxSource {
  readonly name: string;
  readonly #url: Secret;
  readonly #streams: readonly string[];
  readonly #log: Logger;

  /** @param place a stream, or those of all partitions (`outboxStreams`) */
  constructor({ name, url, place, log }: { name: string; url: Secret; place: string; log: Logger }) {
    this.name = name;
    this.#url = url;
    this.#streams = streamsOf(place);
    this.#log = log;
  }

  async run(context: RelayContext): Promise<void> {
    // This connection never blocks: the lease is kept over it.
    const control = connectRedisOrCluster(this.#url, this.#log, { commandTimeout: 3_000 });
    const standBy = async (): Promise<void> => {
      context.standBy();
      context.waits(await this.#oldest(control));
    };
    try {
      await underLease(redisLease(control, `${this.#streams[0]}:relay`), context.signal, standBy, (signal) =>
        this.#relay(control, context, signal),
      );
    } finally {
      control.disconnect();
    }
  }

  async #relay(control: Redis | Cluster, { publish, lead, waits }: RelayContext, signal: AbortSignal): Promise<void> {
    await lead();
    // What is read while Kafka takes the last batch is sent together, of whichever streams it is.
    const sending = new Batcher<Read>(async (reads) => {
      const sent = new Set(await publish(reads.flatMap(({ events }) => events)));
      for (const read of reads) read.sent.resolve(read.events.flatMap(({ key }) => (sent.has(key) ? [key] : [])));
    }, this.#streams.length);
    const publishAll = async (events: StoredEvent[]): Promise<string[]> => {
      const read = { events, sent: Promise.withResolvers<string[]>() };
      sending.push(read);
      return await Promise.race([read.sent.promise, sending.failed]);
    };
    const readers = this.#streams.map((stream) => new StreamReader(stream, this.#reader(control, stream), control, publishAll));
    const look = async (): Promise<void> => {
      if (waits(await this.#oldest(control))) for (const reader of readers) reader.beginAnew();
    };
    const reading = Promise.all(readers.map((reader) => reader.run(signal)));
    try {
      await Promise.race([reading, every(LOOK_EVERY_MS, signal, look), whenAborted(signal)]);
    } finally {
      for (const reader of readers) reader.end();
      await atMost(END_TIMEOUT_MS, Promise.all([reading, sending.close()]));
    }
  }

  /** A connection that blocks in reads, to the node that has the stream: when it has it no more, the run fails, and the next finds it. */
  #reader(control: Redis | Cluster, stream: string): Redis {
    return connectOwner(this.#url, control, stream, this.#log, { commandTimeout: 2 * BLOCK_MS });
  }

  /** The key of the event that was added first. */
  async #oldest(control: Redis | Cluster): Promise<string | undefined> {
    const firsts = await Promise.all(
      this.#streams.map(async (stream) => {
        const [first] = await control.xrange(stream, '-', '+', 'COUNT', 1);
        return first ? [{ id: first[0], key: keyOf(stream, first[0]) }] : [];
      }),
    );
    return firsts.flat().toSorted((a, b) => Number.parseInt(a.id, 10) - Number.parseInt(b.id, 10))[0]?.key;
  }
}

/** Reads one stream as it grows, and removes what Kafka has. */
class StreamReader {
  readonly #stream: string;
  readonly #reader: Redis;
  readonly #control: Redis | Cluster;
  readonly #publish: (events: StoredEvent[]) => Promise<string[]>;
  #last = BEGINNING;
  #fromBeginning = false;

  constructor(stream: string, reader: Redis, control: Redis | Cluster, publish: (events: StoredEvent[]) => Promise<string[]>) {
    this.#stream = stream;
    this.#reader = reader;
    this.#control = control;
    this.#publish = publish;
    // A server that has crashed may have again what was removed: to be sent before what is added from now on.
    reader.on('ready', () => this.beginAnew());
  }

  /** What is in the stream is read once more. */
  beginAnew(): void {
    this.#fromBeginning = true;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#fromBeginning) [this.#last, this.#fromBeginning] = [BEGINNING, false];
      const answer = await this.#reader.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', this.#stream, this.#last);
      const entries = (answer as [string, Entry[]][] | null)?.[0]?.[1] ?? [];
      if (entries.length === 0) continue;
      const sent = await this.#publish(entries.map((entry) => toStored(this.#stream, entry)));
      // Exactly those: what has come since is still to be sent.
      if (sent.length > 0) await this.#control.xdel(this.#stream, ...sent.map((key) => key.slice(this.#stream.length + 1)));
      this.#last = entries.at(-1)?.[0] ?? this.#last;
    }
  }

  /** Ends the read that blocks. */
  end(): void {
    this.#reader.disconnect();
  }
}

const keyOf = (stream: string, id: string): string => `${stream}/${id}`;

function toStored(stream: string, [entry, list]: Entry): StoredEvent {
  const fields: Record<string, string> = {};
  for (let index = 0; index + 1 < list.length; index += 2) fields[list[index] ?? ''] = list[index + 1] ?? '';
  const { time, payload = '', ...others } = fields;
  const { id, aggregatetype, aggregateid, version, type, traceparent, orderkey } = others;
  const event = { id, aggregatetype, aggregateid, version, type, traceparent, orderkey };
  return { key: keyOf(stream, entry), ...event, json: payload, time: new Date(Number(time)) };
}

/** A full Redis must not keep the relay from emptying its outbox, hence the flag (of Redis 7 and Valkey). */
const TAKE = `#!lua flags=allow-oom
local owner = redis.call('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
-- Nobody takes it for longer than that, or for ever: the clock has gone back since, or it is not from here.
local held = left >= 0 and left <= tonumber(ARGV[2])
if owner and owner ~= ARGV[1] and held then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1`;

function redisLease(redis: Redis | Cluster, key: string): LeaseStore {
  return {
    take: async (owner, ms) => (await redis.eval(TAKE, 1, key, owner, ms)) === 1,
    release: async (owner) => void (await redis.eval(RELEASE, 1, key, owner)),
  };
}
