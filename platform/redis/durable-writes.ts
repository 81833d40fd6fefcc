import { Counter, Histogram } from '@prometheus-io/client';
import slotOf from 'cluster-key-slot';
import type { ChainableCommander, Cluster, Redis } from 'ioredis';
import { Batcher } from '../concurrency/batcher.ts';
import { storeUnavailable } from '../errors.ts';
import { metrics } from '../process/telemetry.ts';
import { toRedisError } from './errors.ts';
import { type Script, scriptOf } from './script.ts';

const seconds = new Histogram({
  name: 'musubi_redis_commit_seconds',
  help: 'Time that writes took to be durable, from when they were sent together',
  buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  registers: [metrics],
});
const writes = new Counter({
  name: 'musubi_redis_committed_writes_total',
  help: 'Writes that were made durable',
  registers: [metrics],
});

/** So many writes share one wait at most: what comes behind them waits as long as they take. Of a node that is slow four times as many wait; more are refused. */
const MOST_AT_ONCE = 1_000;
/** How long a node may take to have on disk what it was sent, ms. */
const DURABLE_WITHIN_MS = 2_000;

/**
 * Notes of a partition whether a replica has come in the place of the server that had it: it may lack what was answered before. So from then on
 * another epoch is, and whoever gives numbers leaves out those that may have been given. A server that begins again has on its disk what it answered.
 * No two epochs have the same number, also of servers that know nothing of each other: it is the time, at least.
 *
 * `master_replid2` is the history that a replica followed before it took its master's place; a server that was always one has none.
 * https://valkey.io/topics/replication/
 */
const NOTE_EPOCH = scriptOf(`#!lua flags=allow-oom
local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
local known, number = unpack(redis.call('HMGET', KEYS[1], 'run', 'number'))
if run ~= known then
  local before = redis.call('INFO', 'replication'):match('master_replid2:(%x+)') or ''
  if not known or before:find('[^0]') then
    local time = redis.call('TIME')
    number = string.format('%.0f', math.max((number or 0) + 1, time[1] * 1000 + math.floor(time[2] / 1000)))
  end
end
if run ~= known then redis.call('HSET', KEYS[1], 'run', run, 'number', number) end
return 1`);
/**
 * `WAITAOF` waits for what was written last on this connection. So what a script found done, as somebody had written it on another connection, is
 * behind this, too. A full server takes it, for what is written there may have made room.
 */
const MARK = scriptOf(`#!lua flags=allow-oom
return redis.call('SET', KEYS[1], '', 'PX', 60000)`);

interface Waiting {
  script: Script;
  keys: readonly string[];
  given: readonly (string | number | Buffer)[];
  /** The server does not know the script yet: it is sent whole. */
  whole: boolean;
  /** It was sent to a node that does not have its keys any more. */
  moved: boolean;
  done: PromiseWithResolvers<unknown>;
}

type Answer = [error: Error | null, value: unknown];
const LOST = new Error('Connection is closed.');

/**
 * Writes that have happened for good when they are answered: the server has them in its append-only file on disk, and, where asked, so many
 * replicas have theirs. Writes to one node that come while others are under way wait together, so that one `WAITAOF` is for many.
 *
 * An error that says that the store is away leaves open whether the write has happened: whoever repeats it must be able to.
 *
 * @see https://valkey.io/commands/waitaof/
 */
export class DurableWrites {
  readonly #redis: Redis | Cluster;
  readonly #replicas: number;
  /** By node. */
  readonly #batchers = new Map<string, Batcher<Waiting>>();

  /**
   * @param redis a connection of its own: it waits, and what else was sent on it would wait, too
   * @param replicas how many replicas must have a write on disk, besides the server itself
   */
  constructor(redis: Redis | Cluster, replicas = 0) {
    this.#redis = redis;
    this.#replicas = replicas;
  }

  /**
   * Runs a script, and resolves with its answer once all that it has changed, and all that it went by, is durable.
   *
   * @param keys at least one
   * @throws UNAVAILABLE when the store is away, or does not get it on disk in time: it may have happened
   */
  write(script: Script, keys: readonly string[], given: Waiting['given']): Promise<unknown> {
    const done = Promise.withResolvers<unknown>();
    this.#enqueue({ script, keys, given, whole: false, moved: false, done });
    return done.promise;
  }

  #enqueue(write: Waiting): void {
    const node = this.#nodeOf(write.keys[0] ?? '');
    const batcher = this.#batchers.get(node) ?? new Batcher<Waiting>((batch) => this.#send(node, batch), MOST_AT_ONCE);
    this.#batchers.set(node, batcher);
    if (batcher.full) write.done.reject(storeUnavailable(new Error('too many writes wait')));
    else batcher.push(write);
  }

  /** Which node has a key; all that is sent together must be one node's. */
  #nodeOf(key: string): string {
    return 'slots' in this.#redis ? (this.#redis.slots[slotOf(key)]?.[0] ?? '') : '';
  }

  /** Never rejects. */
  async #send(node: string, waiting: readonly Waiting[]): Promise<void> {
    const batch = waiting.filter((write) => this.#nodeOf(write.keys[0] ?? '') === node);
    // Meanwhile another one may have come to have some of the keys.
    for (const write of waiting) if (!batch.includes(write)) this.#enqueue(write);
    if (batch.length === 0) return;
    const began = performance.now();
    try {
      const pipeline = this.#redis.pipeline();
      const tags = [...new Set(batch.map(({ keys: [key = ''] }) => tagOf(key)))];
      for (const tag of tags) pipeline.eval(NOTE_EPOCH.lua, 1, epochKeyOf(tag));
      for (const write of batch) add(pipeline, write);
      for (const tag of tags) pipeline.eval(MARK.lua, 1, `${tag}durable`);
      pipeline.call('WAITAOF', 1, this.#replicas, DURABLE_WITHIN_MS);
      const answers = (await pipeline.exec()) ?? [];
      const marks = answers.slice(tags.length + batch.length, -1);
      const problem = this.#problemOf(marks, answers.at(-1));
      for (const [index, write] of batch.entries()) {
        const [unnoted] = answers[tags.indexOf(tagOf(write.keys[0] ?? ''))] ?? [LOST];
        this.#settle(write, answers[tags.length + index], unnoted ? storeUnavailable(unnoted) : problem);
      }
      if (problem) return;
      seconds.observe((performance.now() - began) / 1_000);
      writes.inc(batch.length);
    } catch (error) {
      for (const { done } of batch) done.reject(toRedisError(error));
    }
  }

  /** Why what was written is not durable. @param marks of which one is enough */
  #problemOf(marks: readonly Answer[], waited?: Answer): Error | undefined {
    const unmarked = marks.every(([error]) => error) ? (marks[0]?.[0] ?? LOST) : undefined;
    const error = unmarked ?? waited?.[0];
    if (error) return storeUnavailable(error);
    const [local = 0, replicas = 0] = (waited?.[1] ?? []) as number[];
    if (local >= 1 && replicas >= this.#replicas) return undefined;
    return storeUnavailable(new Error(`it is on disk of ${local} server and ${replicas} replicas only`));
  }

  #settle(write: Waiting, [error, value]: Answer = [LOST, undefined], problem?: Error): void {
    const [word] = error?.message.split(' ', 1) ?? [];
    // Neither has happened.
    if (word === 'NOSCRIPT' && !write.whole) this.#enqueue({ ...write, whole: true });
    else if (word === 'MOVED' && !write.moved && 'refreshSlotsCache' in this.#redis)
      this.#redis.refreshSlotsCache(() => this.#enqueue({ ...write, moved: true }));
    else if (error) write.done.reject(toRedisError(error));
    else if (problem) write.done.reject(problem);
    else write.done.resolve(value);
  }
}

function add(pipeline: ChainableCommander, { script, keys, given, whole }: Waiting): void {
  const rest = [keys.length, ...keys, ...given] as const;
  if (whole) pipeline.eval(script.lua, ...rest);
  else pipeline.evalsha(script.sha, ...rest);
}

/** Where the epoch of a partition is: a hash with its `number`, which is there for every script that is run by {@link DurableWrites}. */
const epochKeyOf = (tag: string): string => `${tag}epoch`;

/** `{chat:07}:` of a key of that partition. */
const tagOf = (key: string): string => key.slice(0, key.indexOf('}') + 2);
