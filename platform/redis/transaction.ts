import { aborted } from '../errors.ts';
import { type OutboxEvent, payloadText, toRecord } from '../outbox/event.ts';
import type { PartitionedRedis } from './partitioned.ts';
import type { Partition } from './partitions.ts';
import { scriptOf } from './script.ts';

/** What may be read: its answer is one text or number, or a list of them. */
type Reading = 'GET' | 'HGET' | 'HMGET' | 'HGETALL' | 'HEXISTS' | 'EXISTS' | 'SISMEMBER' | 'SMEMBERS' | 'ZSCORE' | 'ZRANGE';

/** Whether two answers are the same: names and values, and what has no order, may come in another one. */
const DIGEST_LUA = `
local function digest(command, reply)
  if type(reply) ~= 'table' then return redis.sha1hex(type(reply) .. tostring(reply)) end
  local parts = {}
  local step = command == 'HGETALL' and 2 or 1
  for i = 1, #reply, step do
    local part = ''
    for j = i, i + step - 1 do
      local one = reply[j]
      part = part .. (one and #one .. ':' .. one or '-')
    end
    parts[#parts + 1] = part
  end
  if command == 'HGETALL' or command == 'SMEMBERS' then table.sort(parts) end
  return redis.sha1hex(table.concat(parts, ' '))
end
`;
const READ = scriptOf(`${DIGEST_LUA}
local reply = redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))
return { digest(ARGV[1], reply), reply }`);
const NOW = scriptOf(`local time = redis.call('TIME') return time[1] * 1000 + math.floor(time[2] / 1000)`);
/**
 * KEYS are all that were read or are written. ARGV[1]: JSON of `reads`, each with the number of its key, its digest and the command, and of `writes`,
 * each with the number of its key and the command. Answers 1; 0: something that was read is otherwise by now, so nothing was written.
 */
const COMMIT = scriptOf(`${DIGEST_LUA}
local given = cjson.decode(ARGV[1])
for _, read in ipairs(given.reads) do
  local reply = redis.call(read[3], KEYS[tonumber(read[1])], unpack(read, 4))
  if digest(read[3], reply) ~= read[2] then return 0 end
end
for _, write in ipairs(given.writes) do redis.call(write[2], KEYS[tonumber(write[1])], unpack(write, 3)) end
return 1`);

/** A transaction is begun again for so long. */
const BEGIN_MS = 2_000;

/**
 * What is read and written together in one partition, or not at all: what was written happens when all that was read is still so. It holds nobody up;
 * one that was overtaken is begun again.
 */
export class RedisTransaction {
  readonly partition: Partition;
  readonly #redis: PartitionedRedis;
  readonly #reads: string[][] = [];
  readonly #events: string[][] = [];
  readonly #writes: string[][] = [];
  readonly #keys = new Map<string, number>();

  constructor(redis: PartitionedRedis, partition: Partition) {
    this.#redis = redis;
    this.partition = partition;
  }

  /** @param name of a key in the partition */
  async read<Reply = string | null>(command: Reading, name: string, ...given: readonly string[]): Promise<Reply> {
    const key = this.partition.key(name);
    const [digest, reply] = await this.#redis.ask(
      async (client) => (await client.eval(READ.lua, 1, key, command, ...given)) as [string, Reply],
    );
    this.#reads.push([this.#keyNumber(key), digest, command, ...given]);
    return reply;
  }

  /** Reads what may be otherwise by the time of the commit: who changes it holds nobody up. */
  async glance<Reply = string | null>(command: Reading, name: string, ...given: readonly string[]): Promise<Reply> {
    const key = this.partition.key(name);
    return await this.#redis.ask(async (client) => (await client.call(command, key, ...given)) as Reply);
  }

  /** The number of the partition's epoch: see {@link DurableWrites}. */
  async epoch(): Promise<number> {
    return Number(await this.read('HGET', 'epoch', 'number'));
  }

  /** The store's clock, ms since 1970. */
  async now(): Promise<number> {
    return await this.#redis.ask(async (client) => Number(await client.eval(NOW.lua, 1, this.partition.key('epoch'))));
  }

  /** Nobody sees it before the transaction is committed, not even its own reads. */
  write(command: string, name: string, ...given: readonly (string | number)[]): void {
    this.#writes.push([this.#keyNumber(this.partition.key(name)), command, ...given.map(String)]);
  }

  /** Adds events to the partition's outbox, before all else that is written: no other key can be what it should not be, and a script is not rolled back. */
  emit(events: readonly OutboxEvent[] = []): void {
    for (const event of events) {
      const { id, traceparent, time, aggregateType, aggregateId, version, type, orderKey = '' } = toRecord(event);
      const about = { id, aggregatetype: aggregateType, aggregateid: aggregateId, version, type, payload: payloadText(event) };
      const fields = { ...about, traceparent, time: time.getTime(), orderkey: orderKey };
      this.#events.push([
        this.#keyNumber(this.partition.key('outbox')),
        'XADD',
        '*',
        ...Object.entries(fields).flat().map(String),
      ]);
    }
  }

  /**
   * Also where nothing is written, it waits until what was read is durable: an answer that is made of it must not be taken back.
   *
   * @returns false, and nothing was written: something that was read is otherwise by now
   */
  async commit(): Promise<boolean> {
    if (this.#keys.size === 0) return true;
    const given = JSON.stringify({ reads: this.#reads, writes: [...this.#events, ...this.#writes] });
    return (await this.#redis.write(COMMIT, [...this.#keys.keys()], [given])) === 1;
  }

  /** Whether all that was read is as it was. */
  async isStillSo(): Promise<boolean> {
    if (this.#reads.length === 0) return true;
    const [keys, given] = [[...this.#keys.keys()], JSON.stringify({ reads: this.#reads, writes: [] })];
    return await this.#redis.ask(async (client) => (await client.eval(COMMIT.lua, keys.length, ...keys, given)) === 1);
  }

  #keyNumber(key: string): string {
    const number = this.#keys.get(key) ?? this.#keys.size + 1;
    this.#keys.set(key, number);
    return String(number);
  }
}

/**
 * Runs `work` in one transaction, again when it was overtaken, while 2 s have not passed. What it throws it throws only where all that it had
 * read was so at one time.
 *
 * @throws STORE_CONFLICT, UNAVAILABLE: then it may have happened; what `work` throws: then nothing was written
 */
export async function transaction<T>(
  redis: PartitionedRedis,
  partition: Partition,
  work: (tx: RedisTransaction) => Promise<T>,
): Promise<T> {
  const until = performance.now() + BEGIN_MS;
  do {
    const tx = new RedisTransaction(redis, partition);
    const outcome = await work(tx).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ('value' in outcome) {
      if (await tx.commit()) return outcome.value;
    } else if (await tx.isStillSo()) throw outcome.error;
  } while (performance.now() < until);
  throw aborted('STORE_CONFLICT', 'somebody else changes the same');
}
