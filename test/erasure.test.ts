import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test, { type ExecutionContext } from 'ava';
import { MongoClient } from 'mongodb';
import { TOPICS } from '../services/catalogue.ts';
import { address, admin, Client, login } from './client.ts';
import { historyText, readTopics, rows } from './evidence.ts';
import { Stores } from './failure-matrix/snapshot.ts';

// What is left of a member that was deleted: nothing by which anybody could tell who it was, wherever one looks.

const HOUR_MS = 3_600_000;

/** A word that nobody else has, and that stays itself in lower case and as a skeleton. */
const word = (): string => `zq${Array.from({ length: 14 }, () => 'aeksuvyxdt'[randomInt(10)]).join('')}`;

let stores: Stores;
let mongo: MongoClient;
let temporal: TemporalClient;
test.before(async () => {
  stores = await Stores.open();
  mongo = new MongoClient(address('MUSUBI_MONGODB_URL'));
  temporal = new TemporalClient({ connection: await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') }) });
});
test.after.always(async () => {
  await stores?.close();
  await mongo?.close();
  await temporal?.connection.close();
});

const erasures = () =>
  mongo.db('musubi_auth').collection<{ _id: string; requestedAt: Date; erasedAt?: Date; waitingFor: string[] }>('erasures');
const hoursAgo = (hours: number): Date => new Date(Date.now() - hours * HOUR_MS);

/** Runs the Schedule until it has come to something. */
async function run(until: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 60; attempt++) {
    await temporal.schedule.getHandle('upkeep.erasures').trigger();
    for (let look = 0; look < 20; look++) {
      if (await until()) return;
      await sleep(100);
    }
  }
  throw new Error(`it has not come to this: ${until}`);
}

/** The histories of the namespace in which one of these words is. */
async function histories(words: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const { workflowId, runId } of temporal.workflow.list()) {
    const text = await historyText(temporal, workflowId).catch(() => '');
    if (words.some((each) => text.toLowerCase().includes(each))) found.push(`${workflowId} ${runId}`);
  }
  return found;
}

/** Of each key the last message in Kafka that has one of these words in it, or comes after one. */
async function lastOfKeys(words: readonly string[]): Promise<Map<string, string | null>> {
  const last = new Map<string, string | null>();
  await readTopics(TOPICS, (topic, { key, value, headers }) => {
    const text = value === null ? null : `${value} ${JSON.stringify(headers)}`.toLowerCase();
    const at = `${topic} ${key}`;
    if (last.has(at) || words.some((each) => text?.includes(each))) last.set(at, text);
  });
  return last;
}

/** A member that has done all that leaves traces, and is deleted. */
async function gone(t: ExecutionContext, as: Client) {
  const words = Array.from({ length: 11 }, word);
  const [first = '', second = '', name = '', newName = '', mail = '', newMail = '', refused = '', reason = ''] = words;
  const [message = '', declined = '', expelled = ''] = words.slice(8);
  const password = 'correct horse battery';
  const waiting = { prefer: 'wait=30' };
  const profile = { loginId: first, displayName: name, email: `${mail}@example.com` };
  const registered = await as.post('/v1/members', { ...profile, password }, waiting);
  t.is(registered.status, 201);
  const memberId = registered.body.id as string;
  const path = `/v1/members/${memberId}`;
  t.is((await as.patch(path, { displayName: newName, email: `${newMail}@example.com`, locale: 'ja' }, waiting)).status, 200);
  t.is((await as.patch(path, { loginId: second }, waiting)).status, 200);
  t.is((await as.patch(path, { displayName: refused }, { ...waiting, 'if-match': '"1"' })).status, 412);
  t.is((await as.post(`${path}:suspend`, { reason: `because ${reason}` }, waiting)).status, 200);
  t.is((await as.post(`${path}:reinstate`, undefined, waiting)).status, 200);
  await as.get(`/v1/members?query=${newName}`);
  const own = await login(second, password);
  await own.get('/v1/members/me');
  const group = (await as.post('/v1/groups', { name: word(), visibility: 'request' }, waiting)).body.id;
  const other = (await as.post('/v1/groups', { name: word() }, waiting)).body.id;
  t.is((await own.post(`/v1/groups/${group}/join-requests`, { message }, waiting)).status, 201);
  t.is((await as.post(`/v1/groups/${group}/join-requests/${memberId}:decline`, { reason: declined }, waiting)).status, 204);
  t.is((await own.put(`/v1/groups/${other}/members/${memberId}`, undefined, waiting)).status, 204);
  t.is((await as.post(`/v1/groups/${other}/members/${memberId}:expel`, { reason: expelled }, waiting)).status, 204);
  await new Client().post('/v1/auth/login', { loginId: second, password: 'wrong horse battery' });
  const backup = {
    member: await rows('musubi_member', `select to_jsonb(m) as row from members m where member_id = '${memberId}'`),
    query: await rows('musubi_query', `select to_jsonb(m) as row from members m where id = '${memberId}'`),
    roles: await rows('musubi_role', `select role_id from member_roles where member_id = '${memberId}'`),
    login: await mongo.db('musubi_auth').collection<{ _id: string }>('members').findOne({ _id: memberId }),
  };
  t.true((await stores.containing(words)).length >= 4, 'it is found where it is');
  t.is((await as.delete(path, waiting)).status, 204);
  return { memberId, words, backup, password, loginId: second };
}

test('of a deleted member nothing is left in any store, topic or history, and a restored backup is erased again', async (t) => {
  const as = await admin();
  const { memberId, words, backup, password, loginId } = await gone(t, as);
  const record = () => erasures().findOne({ _id: memberId });
  t.truthy(await record(), 'the deletion asks for it');
  t.true((await stores.containing(words)).length > 0, 'undos need it for a while');

  // An hour later.
  await erasures().updateOne({ _id: memberId }, { $set: { requestedAt: hoursAgo(1.1) } });
  // Kafka is to be told twice.
  await run(async () => String((await record())?.waitingFor) === 'member');
  t.deepEqual(await stores.containing(words), []);
  let left = await histories(words);
  // Temporal deletes in its own time.
  for (let look = 0; look < 200 && left.length > 0; look++) {
    await sleep(300);
    left = await histories(words);
  }
  t.deepEqual(left, []);

  // Once the brokers close the segments that have its events.
  await rows(
    'musubi_member',
    `update deleted_members set tombstone_at = now() - interval '7 hours' where member_id = '${memberId}'`,
  );
  await run(async () => (await record())?.erasedAt);
  const report = await record();
  t.like(report, { waitingFor: [] });
  const main = new URL('../main.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [main, 'erasures'], { env: process.env });
  const lines = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const told = lines.find((line) => line.memberId === memberId) as { erased: Record<string, number> } | undefined;
  t.like(told, { waitingFor: [], erased: { 'member.events': 2 } }, 'what an operator is told');
  // Temporal deletes in its own time: another run may have asked for one once more.
  t.true((told?.erased['temporal.histories'] ?? 0) >= 7);
  for (const text of words) t.false(JSON.stringify(report).toLowerCase().includes(text));
  t.is((await rows('musubi_member', `select from deleted_members where member_id = '${memberId}' and tombstones = 2`)).length, 1);

  let last = await lastOfKeys(words);
  for (let look = 0; look < 100 && last.get(`member.events ${memberId}`) !== null; look++) last = await lastOfKeys(words);
  // What a member was to a group ends with what is known of that still: in which version it is nothing.
  for (const [key, value] of last) {
    if (key.startsWith('membership.events '))
      for (const text of words) t.false(value?.includes(text), `${key} ends without its words`);
    else t.is(value, null, `${key} ends with a tombstone, so that compaction leaves nothing of it`);
  }

  // As it comes back.
  const put = async (database: string, table: string, all: Record<string, unknown>[]): Promise<void> => {
    for (const { row } of all) {
      const text = JSON.stringify(row).replaceAll("'", "''");
      const id = table === 'members' && database === 'musubi_query' ? 'id' : 'member_id';
      await rows(database, `delete from ${table} where ${id} = '${memberId}'`);
      await rows(database, `insert into ${table} select * from jsonb_populate_record(null::${table}, '${text}')`);
    }
  };
  await put('musubi_member', 'members', backup.member);
  await put('musubi_query', 'members', backup.query);
  for (const { role_id } of backup.roles)
    await rows('musubi_role', `insert into member_roles values ('${memberId}', '${role_id}')`);
  if (backup.login) await mongo.db('musubi_auth').collection<{ _id: string }>('members').insertOne(backup.login);
  // None of the stores has heard of the erasure, for all were restored to the same moment.
  await erasures().deleteOne({ _id: memberId });
  await rows('musubi_member', `delete from deleted_members where member_id = '${memberId}'`);
  t.true((await stores.containing(words)).length >= 3);
  t.truthy(await login(loginId, password), 'who was deleted can log in again');
  await run(async () => String((await record())?.waitingFor) === 'member');
  t.deepEqual(await stores.containing(words), []);
  await t.throwsAsync(login(loginId, password), { message: /401/ });
  // By now the token of before may have expired.
  t.is((await (await admin()).get(`/v1/members/${memberId}`)).status, 404);
  t.deepEqual(await rows('musubi_role', `select from member_roles where member_id = '${memberId}'`), []);
  // Query may have heard of it by the event before it was asked.
  t.like(await record(), { erased: { member: { members: 1 }, auth: { members: 1 } } });
});
