import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import pg from 'pg';
import { kafkaClient } from '#platform/kafka/client.ts';
import { topicOf } from '#platform/outbox/event.ts';
import { createLogger } from '#platform/process/log.ts';
import { until } from '#platform/until.fixture.ts';
import { SERVICES, TELLERS } from '../../services/catalogue.ts';
import { address, admin, type Client, register } from '../client.ts';
import { kill, ports, start } from '../control.ts';
import { databaseUrl, rows } from '../evidence.ts';

// What an operator does when a server comes back empty, or older than the others (README).

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The task as it is typed. */
async function retell(...args: string[]): Promise<Record<string, unknown>[]> {
  const { stdout } = await run(process.execPath, [join(root, 'main.ts'), 'retell', ...args], { cwd: root });
  return stdout
    .split('\n')
    .filter((line) => line.includes('"told"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const nameOf = async (as: Client, id: string): Promise<unknown> => (await as.get(`/v1/members/${id}`)).body.displayName;

/** What Query says that people must settle. */
async function attention(): Promise<string> {
  const { query } = await ports();
  return fetch(`http://127.0.0.1:${query?.ops}/healthz`).then((response) => response.text(), String);
}

test('topics that are lost with what queries had not read of them: Query says so, and retell makes it good', async (t) => {
  const as = await admin();
  const { memberId } = await register(as, 'lost');
  // Query has read the change, and can not write it.
  const database = new pg.Client({ connectionString: databaseUrl('musubi_query') });
  await database.connect();
  await database.query('begin; lock table members in access exclusive mode');
  const patch = await as.patch(`/v1/members/${memberId}`, { displayName: 'while away' });
  t.is(patch.status, 202);
  await until(async () => {
    const [member] = await rows('musubi_member', `select display_name from members where member_id = '${memberId}'`);
    return member?.display_name === 'while away' && (await rows('musubi_member', 'select from outbox')).length === 0;
  }, 'the change is in Kafka only');
  const kafka = kafkaClient({
    brokers: address('MUSUBI_KAFKA_BROKERS').split(','),
    clientId: 'retell-test',
    log: createLogger('test', 'silent'),
  });
  const broker = kafka.admin();
  await broker.connect();
  await broker.deleteTopics({ topics: SERVICES.query.copies.map(topicOf) });
  await broker.disconnect();
  await kill('query');
  // What still waits in the server for the lock would have it.
  await database.query(
    'select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  await database.end();
  await start('query');
  await until(async () => /member\.events.* was made again .*retell/.test(await attention()), 'Query notices');
  t.is(await nameOf(as, memberId), 'lost of a test');

  const told = await retell();
  t.deepEqual(
    told.map(({ aggregateType }) => aggregateType),
    TELLERS.map(({ aggregateType }) => aggregateType),
  );
  t.is((await as.finished(patch.body.jobId)).state, 'completed');
  t.is(await nameOf(as, memberId), 'while away');
  await until(async () => !/was made again/.test(await attention()), 'Query is content');

  await kill('query');
  await rows('musubi_member', 'drop database musubi_query with (force)');
  // Query's own user may make none.
  await rows('musubi_member', 'create database musubi_query owner musubi_query');
  await start('query');
  await until(async () => (await nameOf(as, memberId)) === 'while away', 'Member has told again');
  const roleIds = async () => (await as.get(`/v1/members/${memberId}`)).body.roleIds;
  await until(async () => (await roleIds()).includes('member'), 'and Role, each when it could');
});

test('a database that is older than the read model: retell says so, and its states are shown again', async (t) => {
  const as = await admin();
  const { memberId } = await register(as, 'older');
  for (const displayName of ['B', 'C'])
    t.is((await as.patch(`/v1/members/${memberId}`, { displayName }, { prefer: 'wait=30' })).status, 200);
  await rows('musubi_member', `update members set version = 2, display_name = 'copy' where member_id = '${memberId}'`);
  const failure = await t.throwsAsync<Error & { stderr?: string }>(retell('--service', 'member', '--aggregate', memberId));
  t.regex(String(failure?.stderr), /node main\.ts retell --service member --after-restore/);
  t.is(await nameOf(as, memberId), 'C');
  const [told] = await retell('--service', 'member', '--aggregate', memberId, '--after-restore');
  t.like(told, { told: 1, raised: 1 });
  await until(async () => (await nameOf(as, memberId)) === 'copy', 'it is shown');
  const changed = await as.patch(`/v1/members/${memberId}`, { displayName: 'D' }, { prefer: 'wait=30' });
  t.is(changed.status, 200);
  t.is(await nameOf(as, memberId), 'D');
});

test('a read model that is older: changed, new and deleted members are shown as they are', async (t) => {
  const as = await admin();
  const [changed, created] = [await register(as, 'changed'), await register(as, 'created')];
  const gone = randomUUID();
  await rows(
    'musubi_query',
    `update members set version = 1, display_name = 'stale' where id = '${changed.memberId}';
     delete from members where id = '${created.memberId}';
     insert into members (id, version, visible, login_id, display_name, email, search, created_at, updated_at)
       values ('${gone}', 3, true, 'g', 'g', 'g@example.com', 'g', now(), now())`,
  );
  t.is((await as.get(`/v1/members/${gone}`)).status, 200);
  const [told] = await retell('--service', 'member');
  t.is(told?.removed, 1);
  await until(async () => {
    const names = [await nameOf(as, changed.memberId), await nameOf(as, created.memberId)];
    return names.join() === 'changed of a test,created of a test' && (await as.get(`/v1/members/${gone}`)).status === 404;
  }, 'all are shown as they are');
  t.pass();
});
