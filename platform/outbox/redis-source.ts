import { z } from 'zod';
import type { Secret } from '../config.ts';
import type { Logger } from '../log.ts';
import { connectRedis, type Redis } from '../redis.ts';
import type { OutboxRecord } from './event.ts';
import { type LeaseStore, underLease } from './lease.ts';
import { BATCH, type OutboxSource, type RelayContext } from './source.ts';

/** How long an idle read waits at the server. */
const BLOCK_MS = 5_000;

const fields = z.object({
  id: z.string().min(1),
  aggregatetype: z.string().min(1),
  aggregateid: z.string().min(1),
  version: z.coerce.number().int().positive(),
  type: z.string().min(1),
  payload: z.string().transform((text) => JSON.parse(text) as unknown),
  traceparent: z.string().default(''),
  time: z.coerce.number().transform((ms) => new Date(ms)),
});

type Entry = [id: string, fields: string[]];

/**
 * A Redis stream that a service's scripts add events to. What Kafka has acknowledged is trimmed, so the stream holds
 * exactly what is still to be sent, and a relay needs no other position than its beginning.
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
    try {
      await underLease(redisLease(control, `${this.#stream}:relay`), context.signal, context.standBy, async (_owner, signal) => {
        const stop = (): void => reader.disconnect(); // ends the read that blocks
        signal.addEventListener('abort', stop, { once: true });
        try {
          await this.#relay(reader, context, signal);
        } catch (error) {
          if (!signal.aborted) throw error;
        } finally {
          signal.removeEventListener('abort', stop);
        }
      });
    } finally {
      reader.disconnect();
      control.disconnect();
    }
  }

  async #relay(redis: Redis, { publish, lead }: RelayContext, signal: AbortSignal): Promise<void> {
    await lead();
    for (let last = '0-0'; !signal.aborted; ) {
      const answer = (await redis.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', this.#stream, last)) as
        | [string, Entry[]][]
        | null;
      const entries = answer?.[0]?.[1] ?? [];
      const end = entries.at(-1)?.[0];
      if (end === undefined) continue;
      await publish(entries.flatMap((entry) => this.#parse(entry)));
      last = end;
      // Not waited for: it travels ahead of the next read. Should it get lost, these are sent again.
      redis.xtrim(this.#stream, 'MINID', after(end)).catch(() => undefined);
    }
  }

  /** Only a program that is not ours writes what can't be parsed; it must not hold up the others. */
  #parse([id, list]: Entry): OutboxRecord[] {
    const object: Record<string, string> = {};
    for (let index = 0; index + 1 < list.length; index += 2) object[list[index] ?? ''] = list[index + 1] ?? '';
    try {
      const { aggregatetype, aggregateid, ...event } = fields.parse(object);
      return [{ aggregateType: aggregatetype, aggregateId: aggregateid, ...event }];
    } catch (error) {
      this.#log.error({ err: error, stream: this.#stream, entry: id }, 'this entry is not an event: skipped');
      return [];
    }
  }
}

/** The first stream ID behind `id`. */
function after(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  return `${ms}-${BigInt(sequence) + 1n}`;
}

const TAKE = `
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1`;

function redisLease(redis: Redis, key: string): LeaseStore {
  return {
    take: async (owner, ms) => (await redis.eval(TAKE, 1, key, owner, ms)) === 1,
    release: async (owner) => void (await redis.eval(RELEASE, 1, key, owner)),
  };
}
