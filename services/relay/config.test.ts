import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { topicOf } from '#platform/outbox/event.ts';
import { ConfigError, loadConfig } from '#platform/process/config.ts';
import { EVENTS_KEPT_DAYS, TELLERS } from '../catalogue.ts';
import { check, shape } from './config.ts';

/** What a relay says of an environment; nothing when it starts. */
function problems(env: Record<string, string>): string[] {
  try {
    loadConfig(shape, { MUSUBI_KAFKA_BROKERS: '127.0.0.1:1', ...env }, check);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').slice(1);
  }
}

const missing = (name: string) => `  ${name}: is missing: a source of MUSUBI_RELAY_SOURCES needs it`;

test('a URL is asked for when a source needs it, and only then', (t) => {
  const [postgres, mongodb, redis] = ['MUSUBI_POSTGRES_URL', 'MUSUBI_MONGODB_URL', 'MUSUBI_REDIS_URL'].map(missing);
  t.deepEqual(problems({}), [postgres, mongodb, redis]);
  t.deepEqual(problems({ MUSUBI_MONGODB_URL: 'mongodb://h' }), [postgres, redis]);
  t.deepEqual(problems({ MUSUBI_RELAY_SOURCES: 'role,member' }), [postgres]);
  t.deepEqual(problems({ MUSUBI_RELAY_SOURCES: 'job,mine=mongodb:my', MUSUBI_REDIS_URL: 'redis://h' }), [mongodb]);
  t.deepEqual(problems({ MUSUBI_RELAY_SOURCES: 'job', MUSUBI_REDIS_URL: 'redis://h' }), []);
});

test('the process says all of it at once, and ends with 2', async (t) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../main.ts'), 'relay'], {
    env: { PATH: process.env.PATH, MUSUBI_LOG_LEVEL: 'loud' },
  });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  t.is(code, 2, said);
  for (const name of ['LOG_LEVEL', 'KAFKA_BROKERS', 'POSTGRES_URL', 'MONGODB_URL', 'REDIS_URL']) {
    t.regex(said, new RegExp(`^ {2}MUSUBI_${name}: `, 'm'));
  }
});

test('the events of jobs pass; of what read models are made from, the last ones stay', (t) => {
  t.deepEqual(EVENTS_KEPT_DAYS, { 'job.events': 7 });
  for (const { aggregateType } of TELLERS) t.false(topicOf(aggregateType) in EVENTS_KEPT_DAYS, aggregateType);
});
