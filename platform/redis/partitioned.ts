import type { Secret } from '../process/config.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';
import { sparing } from '../process/probe.ts';
import { type Cluster, closeRedis, connectRedisOrCluster, guarded, type Redis, tellOnce, untilConnected } from './client.ts';
import { DurableWrites } from './durable-writes.ts';
import { type Partition, partitionNumberOf, partitionsOf } from './partitions.ts';
import { type Script, scriptOf } from './script.ts';

/** What a service keeps in Redis, on one server or on the nodes of a cluster. */
export class PartitionedRedis {
  readonly partitions: readonly Partition[];
  readonly #redis: Redis | Cluster;
  readonly #writes: DurableWrites;

  constructor(partitions: readonly Partition[], redis: Redis | Cluster, writes: DurableWrites) {
    this.partitions = partitions;
    this.#redis = redis;
    this.#writes = writes;
  }

  /** Where everything is that belongs to this ID. */
  of(id: string): Partition {
    const partition = this.partitions[partitionNumberOf(id)];
    if (!partition) throw new RangeError('a partition is missing');
    return partition;
  }

  /** Runs a script that changes something; resolves when that is durable. See {@link DurableWrites.write} */
  write(script: Script, keys: readonly string[], given: readonly (string | number | Buffer)[]): Promise<unknown> {
    return this.#writes.write(script, keys, given);
  }

  /** Reads, or writes what may be lost: nobody waits until it is on disk. */
  ask<T>(work: (redis: Redis | Cluster) => Promise<T>): Promise<T> {
    return guarded(() => work(this.#redis));
  }
}

/** Needs memory, as everything does that is written; the key is gone again by itself. */
const PROBE = scriptOf(`return redis.call('SET', KEYS[1], '1', 'EX', 60)`);

/**
 * Opens what a service keeps in Redis, registers probes and stop: without an answer of every node the process is not ready, while writes
 * fail, or do not become durable (as without an append-only file), it is degraded.
 *
 * @param replicas how many replicas must have a write on disk before it is answered, besides the server itself
 * @param prefix goes before every key, so that several can live in one Redis (tests)
 */
export async function openPartitionedRedis({
  service,
  url,
  replicas = 0,
  prefix = '',
  log,
  lifecycle,
}: {
  service: string;
  url: Secret;
  replicas?: number;
  prefix?: string;
  log: Logger;
  lifecycle: Lifecycle;
}): Promise<PartitionedRedis> {
  const bounds = { commandTimeout: 3_000, maxRetriesPerRequest: 0 };
  const redis = connectRedisOrCluster(url, log, bounds);
  const writing = connectRedisOrCluster(url, log, bounds);
  const opened = new PartitionedRedis(partitionsOf(service, prefix), redis, new DurableWrites(writing, replicas));
  tellOnce(redis, log);
  const { partitions } = opened;
  lifecycle.onReady('redis', () => Promise.all(partitions.map((each) => redis.exists(each.key('durable')))));
  const write = (): Promise<unknown> => Promise.all(partitions.map((each) => opened.write(PROBE, [each.key('write-probe')], [])));
  lifecycle.onHealthy('redis, writing', sparing(write));
  lifecycle.onStop('redis', 'stores', async () => void (await Promise.all([closeRedis(redis), closeRedis(writing)])));
  await Promise.all([untilConnected(redis, lifecycle), untilConnected(writing, lifecycle)]);
  return opened;
}
