import test from 'ava';
import type { Secrets } from '../secrets.ts';
import { givenAddress } from './given.ts';
import { redis } from './redis.ts';
import { s3 } from './s3.ts';
import { temporal } from './temporal.ts';

const secrets: Secrets = {
  mongodbPassword: 'm',
  redisPassword: 'r',
  postgresPassword: '',
  s3AccessKeyId: 'ours',
  s3SecretAccessKey: 'ours',
  adminLoginId: '',
  adminPassword: '',
  adminExists: false,
  authMasterKey: '',
};

const complete = (name: string): never => {
  throw new Error(`${name} is not missing`);
};

test('without an address the server is ours to start', (t) => {
  t.is(givenAddress(redis, secrets, {}, complete), undefined);
  t.is(givenAddress(redis, secrets, { MUSUBI_REDIS_URL: '' }, complete), undefined);
});

test('an address is taken as it is', (t) => {
  const env = { MUSUBI_REDIS_URL: 'redis://elsewhere:6379', UNRELATED: 'x' };
  t.deepEqual(givenAddress(redis, secrets, env, complete), { MUSUBI_REDIS_URL: 'redis://elsewhere:6379' });
});

test('keys of ours are never sent to an S3 server of somebody else', (t) => {
  const missing: string[] = [];
  const note = (name: string, why: string) => missing.push(`${name} ${why}`);
  givenAddress(s3, secrets, { MUSUBI_S3_ENDPOINT: 'http://elsewhere', MUSUBI_S3_SECRET_ACCESS_KEY: '' }, note);
  t.deepEqual(
    missing,
    ['ACCESS_KEY_ID', 'SECRET_ACCESS_KEY'].map((part) => `MUSUBI_S3_${part} is missing: MUSUBI_S3_ENDPOINT is set`),
  );
  const env = { MUSUBI_S3_ENDPOINT: 'http://elsewhere', MUSUBI_S3_ACCESS_KEY_ID: 'a', MUSUBI_S3_SECRET_ACCESS_KEY: 'b' };
  t.deepEqual(givenAddress(s3, secrets, env, complete), env);
});

test('the namespace of Temporal has a default, its UI may be unknown', (t) => {
  t.deepEqual(givenAddress(temporal, secrets, { MUSUBI_TEMPORAL_ADDRESS: 'elsewhere:7233' }, complete), {
    MUSUBI_TEMPORAL_ADDRESS: 'elsewhere:7233',
    MUSUBI_TEMPORAL_NAMESPACE: 'default',
  });
});
