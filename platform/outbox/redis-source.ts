import { atMost, whenAborted } from '../concurrency/abort.ts';
import type { Secret } from '../process/config.ts';
import type { Logger } from '../process/log.ts';
import { connectRedis, type Redis } from '../redis/client.ts';
import type { StoredEvent } from './event.ts';
import { type LeaseStore, underLease } from './lease.ts';
import { BATCH, END_TIMEOUT_MS, every, LOOK_EVERY_MS, type OutboxSource, type RelayContext } from './source.ts';

/** How long an idle read waits at the server. */
const BLOCK_MS = 5_000;
const BEGINNING = '0-0';

type Entry = [id: string, fields: string[]];

/**
 * A Redis stream that a service's scripts add events to. An entry stays there until Kafka has it, so a relay needs no
 * position that could be lost: it begins with what is there.
 */
export class RedisSource implements OutboxSource {
  readonly name: string;
  readonly #url: Secret;
  readonly #stream: string;
  readonly #log: Logger;

  constructor(options: { name: string; url: Secret; stream: string; log: Logger }) {
    this.name = options.name;
    this.#url = options.url;
    this.#stream = options.stream;
    this.#log = options.log;
  }

  async run(context: RelayContext): Promise<void> {
    // One connection blocks in reads; the lease is kept over the other.
    const control = connectRedis(this.#url, this.#log, { commandTimeout: 3_000 });
    const reader = connectRedis(this.#url, this.#log, { commandTimeout: 2 * BLOCK_MS });
    const standBy = async (): Promise<void> => {
      context.standBy();
      context.waits(await this.#oldest(control));
    };
    try {
      await underLease(redisLease(control, `${this.#stream}:relay`), context.signal, standBy, (signal) =>
        this.#relay(reader, control, context, signal),
      );
    } finally {
      reader.disconnect();
      control.disconnect();
    }
  }

  async #relay(reader: Redis, control: Redis, { publish, lead, waits }: RelayContext, signal: AbortSignal): Promise<void> {
    await lead();
    let last = BEGINNING;
    let fromBeginning = false;
    // A server that has crashed may have again what was removed: to be sent before what is added from now on.
    reader.on('ready', () => {
      fromBeginning = true;
    });
    const read = async (): Promise<void> => {
      while (!signal.aborted) {
        if (fromBeginning) [last, fromBeginning] = [BEGINNING, false];
        const answer = await reader.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', this.#stream, last);
        const entries = (answer as [string, Entry[]][] | null)?.[0]?.[1] ?? [];
        const sent = await publish(entries.map(toStored));
        // Exactly those: what has come since is still to be sent.
        if (sent.length > 0) await control.xdel(this.#stream, ...sent);
        last = entries.at(-1)?.[0] ?? last;
      }
    };
    const look = async (): Promise<void> => {
      fromBeginning ||= waits(await this.#oldest(control));
    };
    const reading = read();
    try {
      await Promise.race([reading, every(LOOK_EVERY_MS, signal, look), whenAborted(signal)]);
    } finally {
      reader.disconnect(); // ends the read that blocks
      await atMost(END_TIMEOUT_MS, reading);
    }
  }

  /** The ID of the first entry. */
  async #oldest(redis: Redis): Promise<string | undefined> {
    const [first] = await redis.xrange(this.#stream, '-', '+', 'COUNT', 1);
    return first?.[0];
  }
}

function toStored([key, list]: Entry): StoredEvent {
  const fields: Record<string, string> = {};
  for (let index = 0; index + 1 < list.length; index += 2) fields[list[index] ?? ''] = list[index + 1] ?? '';
  const { id, aggregatetype, aggregateid, version, type, payload, traceparent, time } = fields;
  return { key, id, aggregatetype, aggregateid, version, type, json: payload ?? '', traceparent, time: new Date(Number(time)) };
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

function redisLease(redis: Redis, key: string): LeaseStore {
  return {
    take: async (owner, ms) => (await redis.eval(TAKE, 1, key, owner, ms)) === 1,
    release: async (owner) => void (await redis.eval(RELEASE, 1, key, owner)),
  };
}
