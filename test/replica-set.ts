import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { wheelBinary } from '../local/packages/wheels.ts';
import { Ports } from '../local/ports.ts';
import { onPath } from '../local/servers/server.ts';

/** A replica set of three whose commits can be held up: a primary, a secondary that copies it, and one that only votes. */
export interface ReplicaSet {
  url: string;
  /** SIGSTOP of the secondary: the primary stays one and goes on, and the majority gets nothing. */
  stall(): void;
  goOn(): void;
  stop(): Promise<void>;
}

export async function replicaSet(): Promise<ReplicaSet> {
  const folder = await mkdtemp(join(process.env.MUSUBI_TEST_DATA ?? tmpdir(), 'replica-set-'));
  const command = (await onPath('mongod', /db version v6\.0/)) ?? (await wheelBinary('mongod'));
  const ports = new Ports();
  const hosts: string[] = [];
  const members: ChildProcess[] = [];
  for (const name of ['primary', 'secondary', 'arbiter']) {
    const port = await ports.reserve();
    const dbpath = await mkdtemp(join(folder, `${name}-`));
    const options = { dbpath, bind_ip: '127.0.0.1', port, replSet: 'three', wiredTigerCacheSizeGB: 0.25, oplogSize: 64 };
    const args = [
      ...Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]),
      '--nounixsocket',
      '--quiet',
    ];
    members.push(spawn(command, args, { stdio: 'ignore' }));
    hosts.push(`127.0.0.1:${port}`);
  }
  const client = new MongoClient(`mongodb://${hosts[0]}/?directConnection=true`);
  const admin = client.db('admin');
  const patiently = async (work: () => Promise<unknown>): Promise<void> => {
    for (let tries = 0; ; tries++) {
      try {
        await work();
        return;
      } catch (error) {
        if (tries === 300) throw error;
        await sleep(200);
      }
    }
  };
  const [primary, secondary, arbiter] = hosts;
  await patiently(() =>
    admin.command({
      replSetInitiate: {
        _id: 'three',
        members: [
          { _id: 0, host: primary, priority: 2 },
          { _id: 1, host: secondary, priority: 0 },
          { _id: 2, host: arbiter, arbiterOnly: true },
        ],
      },
    }),
  );
  // The first majority write comes through when the secondary copies.
  await patiently(() =>
    client
      .db('ready')
      .collection('things')
      .insertOne({}, { writeConcern: { w: 'majority', wtimeoutMS: 1_000 } }),
  );
  await client.close();
  return {
    url: `mongodb://${primary}/?replicaSet=three`,
    stall: () => void members[1]?.kill('SIGSTOP'),
    goOn: () => void members[1]?.kill('SIGCONT'),
    async stop() {
      await Promise.all(
        members.map(async (member) => {
          const ended = once(member, 'exit');
          member.kill('SIGKILL');
          await ended;
        }),
      );
      await ports.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
