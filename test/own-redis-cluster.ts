import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { until } from '#platform/until.fixture.ts';
import { Component } from '../local/component.ts';
import { wheelBinary } from '../local/packages/wheels.ts';
import { PidsFile } from '../local/pids.ts';
import { Ports } from '../local/ports.ts';

/** Three nodes of a Redis Cluster, a third of the slots on each, and of each a replica where asked for. */
export interface OwnRedisCluster {
  /** `redis+cluster://…` with the first node only: it tells of the others. */
  url: string;
  /** The masters, then their replicas in the same order. */
  nodes: readonly ClusterNode[];
  stop(): Promise<void>;
}

export interface ClusterNode {
  port: number;
  /** On which nodes talk to each other. */
  busPort: number;
  client: Redis;
  /** SIGKILL by default. One that ends stays down until `start`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

const MASTERS = 3;
const SLOTS = 16_384;

/**
 * Starts a cluster of one test's own.
 *
 * @param replicas of each master. Default: none
 * @param appendfsync when the append-only files are written to disk. Default: before each answer
 */
export async function ownRedisCluster({ replicas = 0, appendfsync = 'always' } = {}): Promise<OwnRedisCluster> {
  const dataDir = await mkdtemp(join(process.env.MUSUBI_TEST_DATA ?? tmpdir(), 'redis-cluster-'));
  const command = await wheelBinary('valkey-server');
  const pids = new PidsFile(join(dataDir, 'pids.json'));
  const ports = new Ports();
  const count = MASTERS * (1 + replicas);
  const components: Component[] = [];
  const nodes: ClusterNode[] = [];
  for (let number = 0; number < count; number++) {
    const [port, busPort] = [await ports.reserve(), await ports.reserve()];
    const name = `redis-${number + 1}`;
    const options = {
      port,
      bind: '127.0.0.1',
      dir: dataDir,
      save: '',
      appendonly: 'yes',
      appenddirname: name,
      dbfilename: `${name}.rdb`,
      appendfsync,
      'repl-diskless-sync-delay': 0,
      'cluster-enabled': 'yes',
      'cluster-port': busPort,
      'cluster-announce-ip': '127.0.0.1',
      'cluster-config-file': `${name}.conf`,
      'cluster-node-timeout': 2_000,
      // A third of what is there is better than nothing.
      'cluster-require-full-coverage': 'no',
    };
    const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => 100 });
    client.on('error', () => undefined);
    const component = new Component(
      {
        name,
        launch: async () => ({
          command,
          // By this a run finds what is left of it when the test's own process was killed.
          env: { MUSUBI_TEST_DATA: process.env.MUSUBI_TEST_DATA },
          args: Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]),
        }),
        probe: async () => void (await client.ping()),
        stopSignal: 'SIGTERM',
        graceMs: 5_000,
        readyMs: 30_000,
        log: join(dataDir, `${name}.log`),
      },
      pids,
      false,
      () => undefined,
    );
    components.push(component);
    nodes.push({
      port,
      busPort,
      client,
      kill: (signal = 'SIGKILL') => component.kill(signal),
      start: () => component.start(),
    });
  }
  // A test that ends without having stopped it leaves nothing running.
  const abandon = (): void => {
    for (const component of components) component.abandon();
  };
  process.once('exit', abandon);
  const stop = async (): Promise<void> => {
    process.off('exit', abandon);
    for (const { client } of nodes) client.disconnect();
    await Promise.all(components.map((component) => component.stop()));
    await ports.release();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await Promise.all(components.map((component) => component.start()));
    await formCluster(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis+cluster://127.0.0.1:${nodes[0]?.port}`, nodes, stop };
}

/** Has the nodes know each other, gives each master its slots, and each other node its master. */
async function formCluster(nodes: readonly ClusterNode[]): Promise<void> {
  const [first, ...others] = nodes;
  const masters = nodes.slice(0, MASTERS);
  for (const [number, { client }] of masters.entries()) {
    const [from, to] = [number, number + 1].map((at) => Math.floor((at * SLOTS) / MASTERS));
    await client.call('CLUSTER', 'ADDSLOTSRANGE', from ?? 0, (to ?? 0) - 1);
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', number + 1);
  }
  for (const { port, busPort } of others) await first?.client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
  const all = async (holds: (client: Redis) => Promise<boolean>): Promise<boolean> =>
    (await Promise.all(nodes.map(({ client }) => holds(client)))).every(Boolean);
  await until(() => all(async (client) => new RegExp(`cluster_known_nodes:${nodes.length}\\b`).test(await info(client))));
  for (const [number, { client }] of nodes.slice(MASTERS).entries()) {
    const master = await masters[number % MASTERS]?.client.call('CLUSTER', 'MYID');
    await client.call('CLUSTER', 'REPLICATE', String(master));
  }
  await until(() => all(async (client) => /cluster_state:ok/.test(await info(client))));
  await Promise.all(nodes.slice(MASTERS).map(inSync));
  // Which slots are whose, all must have heard.
  await until(() => all(async (client) => /cluster_slots_ok:16384/.test(await info(client))));
}

/** Waits until a node is a replica that has all that its master has. */
export const inSync = ({ client }: ClusterNode): Promise<void> =>
  until(async () => {
    const [role, , , state] = await client.role();
    return role === 'slave' && state === 'connected';
  });

/** Has replicas take their masters' places. On a busy machine one may not get there in the time that nodes give it: it is asked again. */
export async function takeOver(nodes: readonly ClusterNode[]): Promise<void> {
  for (const { client } of nodes) {
    const isMaster = async (): Promise<boolean> => (await client.role())[0] === 'master';
    const isReady = async (): Promise<boolean> => {
      const [role, , , state] = await client.role();
      return role === 'master' || state === 'connected';
    };
    while (!(await isMaster())) {
      await until(isReady);
      await client.call('CLUSTER', 'FAILOVER').catch(() => undefined); // it has done so meanwhile
      await until(isMaster, 'it takes over', 6_000).catch(() => undefined);
    }
  }
}

const info = async (client: Redis): Promise<string> => String(await client.call('CLUSTER', 'INFO'));
