import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test, { type ExecutionContext } from 'ava';
import { MongoClient } from 'mongodb';
import pg from 'pg';
import { PROGRAMS } from '../local/programs.ts';
import { SERVERS } from '../local/servers/index.ts';
import { until } from '../platform/until.fixture.ts';
import { TOPICS } from '../services/catalogue.ts';
import { address, admin, Client, login, unique } from './client.ts';
import { pids, ports, processes } from './control.ts';
import { historyText, passwordReferences, readTopics } from './evidence.ts';

const logs = (): string => join(address('MUSUBI_TEST_DATA'), 'logs');
const readLog = (file: string): string => readFileSync(join(logs(), file), 'utf8');

test('no password or token, no hash of one and no reference is in any log, history, event or metric', async (t) => {
  const as = await admin();
  const loginId = unique('secret');
  const password = unique('hunter2');
  const registered = await as.post(
    '/v1/members',
    { loginId, password, displayName: 'Secret', email: `${loginId}@example.com` },
    { prefer: 'wait=30' },
  );
  t.is(registered.status, 201);
  // What goes wrong is logged: give every secret a way to go wrong.
  await as.post('/v1/members', `{"loginId": "${loginId}", "password": "${password}"`);
  await as.post('/v1/members', { loginId, password, displayName: 7 });
  await as.post('/v1/members', { loginId, password, displayName: 'Taken', email: 'x@example.com' }, { prefer: 'wait=30' });
  const self = await login(loginId, password);
  const again = await new Client().post('/v1/auth/login', { loginId, password });
  const session = again.body;
  const [deviceCookie = ''] = again.headers.getSetCookie().map((cookie) => /^musubi_device=([^;]+)/.exec(cookie)?.[1]);
  t.not(deviceCookie, '');
  await new Client(`${session.accessToken}x`).get('/v1/members/me');
  await new Client().post('/v1/auth/refresh', { refreshToken: `${session.refreshToken}x` });
  const former = await storedHashes(registered.body.id);
  const next = unique('hunter3');
  const change = (currentPassword: string, prefer: string) =>
    self.request('PUT', '/v1/auth/password', { currentPassword, newPassword: next, endOtherSessions: true }, { prefer });
  t.is((await change(`${password}x`, 'wait=30')).status, 403);
  t.is((await change(password, 'wait=30')).status, 204);
  const hashes = [...former, ...(await storedHashes(registered.body.id))];
  t.true(hashes.length >= 4, 'hash and salt of the password, and a hash for each session');
  await failWith(t, hashes[0] ?? '');
  await self.delete(`/v1/members/${registered.body.id}`);
  const secrets = [
    ...hashes,
    password,
    next,
    deviceCookie,
    session.accessToken,
    session.refreshToken,
    self.token ?? '',
    as.token ?? '',
    address('MUSUBI_ADMIN_PASSWORD'),
  ];
  const found = (text: string): number[] => secrets.flatMap((secret, index) => (text.includes(secret) ? [index] : []));

  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const temporal = new TemporalClient({ connection });
  const query = `MusubiAggregate = '${registered.body.id}'`;
  // Temporal's list follows the workflows within moments.
  for (let i = 0; i < 600 && (await temporal.workflow.count(query)).count === 0; i++) await sleep(100);
  let histories = 0;
  const references = new Set<string>();
  for await (const { workflowId } of temporal.workflow.list({ query })) {
    const text = await historyText(temporal, workflowId);
    t.regex(text, new RegExp(registered.body.id));
    t.deepEqual(found(text), [], `in the history of ${workflowId}`);
    for (const reference of passwordReferences(text)) references.add(reference);
    histories++;
  }
  t.true(histories >= 1);
  t.is(references.size, 2);
  secrets.push(...references);
  await connection.close();

  const files = readdirSync(logs());
  for (const name of Object.keys(await pids())) t.true(files.includes(`${name}.log`), name);
  for (const file of files) t.deepEqual(found(readLog(file)), [], `in the log ${file}`);

  // All events in Kafka, read to their ends.
  const read = async (): Promise<number> => {
    let events = 0;
    const leaks: string[] = [];
    await readTopics(TOPICS, (topic, { value, headers = {} }) => {
      const text = [value, ...Object.values(headers)].map(String).join(' ');
      if (text.includes(registered.body.id)) events++;
      if (found(text).length > 0) leaks.push(`${topic} ${text}`);
    });
    t.deepEqual(leaks, []);
    return events;
  };
  // Of the member twice, of its roles and of the job. Only those that queries show are known to be there by now; Job's comes when
  // the relay gets to it.
  let events = await read();
  for (const deadline = Date.now() + 60_000; events < 4 && Date.now() < deadline; ) events = await read();
  t.true(events >= 4, `${events} events of the member`);

  const exposed = Object.entries(await ports()).filter(([, { ops }]) => ops !== undefined);
  t.deepEqual(exposed.map(([name]) => name).toSorted(), PROGRAMS.map(({ name }) => name).toSorted());
  for (const [program, { ops }] of exposed) {
    const text = await (await fetch(`http://127.0.0.1:${ops}/metrics`)).text();
    t.regex(text, /^process_cpu_seconds_total /m, program);
    t.deepEqual(found(text), [], `in the metrics of ${program}`);
  }
});

test('no password or key is on a command line, where every user of the machine can read it', async (t) => {
  const keys = ['MUSUBI_ADMIN_PASSWORD', 'MUSUBI_AUTH_MASTER_KEY', 'MUSUBI_S3_SECRET_ACCESS_KEY'].map(address);
  const secrets = [...keys, new URL(address('MUSUBI_POSTGRES_URL')).password];
  const lines = Object.entries(await pids()).map(([name, pid]) => [name, readFileSync(`/proc/${pid}/cmdline`, 'utf8')] as const);
  const running = new Set(lines.map(([name]) => name));
  for (const { name } of [...SERVERS, ...processes()]) t.true(running.has(name), name);
  for (const [name, line] of lines) {
    t.true(line.length > 0, name);
    t.false(
      secrets.some((secret) => line.includes(secret)),
      name,
    );
  }
});

/** What Auth stores of a member's password and sessions. */
async function storedHashes(memberId: string): Promise<string[]> {
  const mongo = await MongoClient.connect(address('MUSUBI_MONGODB_URL'));
  try {
    const members = mongo
      .db('musubi_auth')
      .collection<{ _id: string; password: { hash: string; salt: string }; sessions: { tokenHash: string }[] }>('members');
    const member = await members.findOne({ _id: memberId });
    return member ? [member.password.hash, member.password.salt, ...member.sessions.map(({ tokenHash }) => tokenHash)] : [];
  } finally {
    await mongo.close();
  }
}

/** Gives the databases every reason to log a command that holds `secret`: a slow one, one that is interrupted, and refused ones. */
async function failWith(t: ExecutionContext, secret: string): Promise<void> {
  const marker = unique('marker');
  const mongo = await MongoClient.connect(address('MUSUBI_MONGODB_URL'));
  const postgres = new pg.Client({ connectionString: address('MUSUBI_POSTGRES_URL') });
  try {
    const things = mongo.db(marker).collection<{ _id: number; marker: string; hash: string }>('things');
    await things.createIndex({ marker: 1 }, { unique: true });
    await things.insertMany([
      { _id: 1, marker, hash: secret },
      { _id: 2, marker: '', hash: secret },
    ]);
    await things.findOne({ hash: secret, $where: 'sleep(200) || true' });
    await t.throwsAsync(things.findOne({ hash: secret, $where: 'sleep(2000) || true' }, { maxTimeMS: 100 }));
    await t.throwsAsync(things.findOneAndUpdate({ _id: 2, hash: secret }, { $set: { marker } }), { message: /duplicate key/ });
    await postgres.connect();
    await postgres.query('create temporary table things (hash text check (length(hash) < 9))');
    await t.throwsAsync(postgres.query('insert into things values ($1)', [secret]), { message: /check constraint/ });
  } finally {
    await mongo.db(marker).dropDatabase();
    await mongo.close();
    await postgres.end();
  }
  // What was logged last is in the file, and so is all that came before.
  const refused = () =>
    readLog('mongodb.log')
      .split('\n')
      .find((line) => line.includes('findAndModify') && line.includes(marker));
  await until(refused, 'it is in the log');
  t.regex(refused() ?? '', /"stats":"left out"/);
  t.notRegex(readLog('mongodb.log'), new RegExp(`"Slow query".*${marker}`));
}
