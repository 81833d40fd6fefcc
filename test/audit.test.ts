import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import test from 'ava';
import { MongoClient } from 'mongodb';
import { address, admin, Client, login, register, unique } from './client.ts';

const wait = { prefer: 'wait=30' };

interface Event {
  sequence: number;
  action: string;
  outcome: string;
  actorId?: string;
  resources: { type: string; id: string }[];
  sessionId?: string;
  jobId?: string;
  traceId?: string;
  count?: number;
  origin?: { address: string; client: string } | null;
}

const eventsOf = async (as: Client, query: string): Promise<Event[]> =>
  (await as.get(`/v1/audit-events?pageSize=100&${query}`)).body.items;

test('what was done is in the audit once it is acknowledged: who, to whom, from where, in which session, job and trace', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const traceId = randomBytes(16).toString('hex');
  const headers = {
    ...wait,
    traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01`,
    'user-agent': 'Hanako browser',
    'x-forwarded-for': '6.6.6.6',
  };
  const self = await login(loginId, password);
  const answer = await self.patch(`/v1/members/${memberId}`, { displayName: 'Hanako' }, headers);
  t.is(answer.status, 200);
  t.is((await as.post(`/v1/members/${memberId}:suspend`, {}, headers)).status, 200);
  const [suspended, updated, loggedIn, registered, ...more] = await eventsOf(as, `memberId=${memberId}`);
  t.is(more.length, 0);
  const adminId = (await as.get('/v1/members/me')).body.id;
  const resources = [{ type: 'Member', id: memberId }];
  const origin = { address: '127.0.0.1', client: 'Hanako browser' };
  t.like(suspended, { action: 'member.suspend', outcome: 'DONE', actorId: adminId, resources, traceId, origin });
  t.like(updated, { action: 'member.update', outcome: 'DONE', actorId: memberId, resources, traceId, origin });
  t.like(loggedIn, { action: 'auth.login', actorId: memberId, sessionId: updated?.sessionId });
  t.like(registered, { action: 'member.register', actorId: adminId, resources, sessionId: suspended?.sessionId });
  for (const event of [suspended, updated, registered]) {
    const { body: job } = await as.get(`/v1/jobs/${event?.jobId}`);
    t.like(job, { id: event?.jobId, command: event?.action, memberId: event?.actorId });
  }
});

test('a command that is undone is in no audit, and the first admin was registered by nobody', async (t) => {
  const as = await admin();
  const { memberId, loginId } = await register(as);
  const other = await register(as);
  // Refused by Auth, after other services have begun.
  const taken = await as.patch(`/v1/members/${other.memberId}`, { loginId, displayName: 'Other' }, wait);
  t.like(taken, { status: 409, body: { code: 'LOGIN_TAKEN' } });
  const events = await eventsOf(as, `memberId=${other.memberId}`);
  t.deepEqual(
    events.map(({ action }) => action),
    ['member.register'],
  );
  t.is((await eventsOf(as, `memberId=${memberId}&action=member.update`)).length, 0);
  const adminId = (await as.get('/v1/members/me')).body.id;
  const all = await eventsOf(
    as,
    `memberId=${adminId}&action=member.register&until=${new Date(Date.now() + 60_000).toISOString()}`,
  );
  const system = await exported(as, 'action=member.register');
  const first = system.find(({ resources }) => resources.some(({ id }) => id === adminId));
  t.like(first, { action: 'member.register', outcome: 'DONE' });
  t.false('actorId' in (first ?? {}));
  t.true(all.length > 0);
});

/** Every line of an export. */
async function exported(as: Client, query: string): Promise<Event[]> {
  const { status, body } = await as.get(`/v1/audit-events:export?${query}`);
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return (body as string)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
}

test('an export has what the list has, in the other order, and is for those who may list it', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const self = await login(loginId, password);
  for (const displayName of ['One', 'Two', 'Three'])
    t.is((await self.patch(`/v1/members/${memberId}`, { displayName }, wait)).status, 200);
  const listed = await eventsOf(as, `memberId=${memberId}`);
  t.is(listed.length, 5);
  t.deepEqual((await exported(as, `memberId=${memberId}`)).reverse(), listed);
  t.deepEqual(
    (await exported(as, `memberId=${memberId}&action=member.update`)).map(({ sequence }) => sequence),
    listed
      .slice(0, 3)
      .map(({ sequence }) => sequence)
      .reverse(),
  );
  for (const path of ['/v1/audit-events', '/v1/audit-events:export'])
    t.like(await self.get(path), { status: 403, body: { code: 'PERMISSION_DENIED' } });
});

const run = promisify(execFile);

/** The operator's command. */
async function audit(...options: string[]): Promise<{ line: string; said: string; code: number }> {
  return await auditBy(address('MUSUBI_OPERATOR_CALLER_KEY'), ...options);
}

async function auditBy(key: string, ...options: string[]): Promise<{ line: string; said: string; code: number }> {
  const args = [new URL('../main.ts', import.meta.url).pathname, 'audit', ...options];
  const env = {
    PATH: process.env.PATH,
    MUSUBI_LOG_LEVEL: 'error',
    MUSUBI_AUTH_ADDRESS: address('MUSUBI_AUTH_ADDRESS'),
    MUSUBI_OPERATOR_CALLER_KEY: key,
  };
  return await run(process.execPath, args, { env }).then(
    ({ stdout, stderr }) => ({ line: stdout, said: stderr, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => ({ line: error.stdout, said: error.stderr, code: error.code }),
  );
}

test('the command says that the audit is whole, and where it is not', async (t) => {
  await admin();
  const { line, code } = await audit();
  t.is(code, 0);
  const [, events, sequence, hash] = /^audit: (\d+) entries, head (\d+):([\w-]{43}), whole\n$/.exec(line) ?? [];
  t.truthy(hash, line);
  t.true(Number(events) > 0 && Number(events) <= Number(sequence));
  t.is((await audit('--head', `${sequence}:${hash}`)).code, 0);
  const other = await audit('--head', `${sequence}:${'A'.repeat(43)}`);
  t.is(other.code, 1);
  t.regex(other.line, new RegExp(`broken: ${sequence} is another one than was noted\\n$`));
  const gone = await audit('--head', `${Number(sequence) + 1_000_000}:${hash}`);
  t.is(gone.code, 1);
  t.regex(gone.line, /broken: it ends at \d+, and had \d+\n$/);
  t.regex(gone.said, /^audit: the audit is broken: it ends at \d+, and had \d+\n$/, 'a line, and no stack');
  t.is((await audit('--head', 'newest')).code, 2);
  const stranger = await auditBy(randomBytes(32).toString('base64url'));
  t.like(stranger, { code: 1, line: '' });
  t.regex(stranger.said, /^audit: The caller has not proved .* has to be in MUSUBI_CALLERS of the service\.\n$/, 'nor here');
});

test('who guesses is counted, and nothing of the client can be read in the store', async (t) => {
  const as = await admin();
  const { memberId, loginId } = await register(as);
  const client = unique('Private browser');
  for (let i = 0; i < 5; i++) {
    const wrong = { loginId, password: `wrong ${randomUUID()}` };
    t.is((await new Client().post('/v1/auth/login', wrong, { 'user-agent': client })).status, 401);
  }
  await as.get('/v1/members', { 'user-agent': client });
  await as.post(`/v1/members/${memberId}:suspend`, {}, { ...wait, 'user-agent': client });
  t.is(
    (await eventsOf(as, `memberId=${memberId}&action=auth.login`)).length,
    0,
    'not one by one, and not before their minute is over',
  );
  const mongo = await MongoClient.connect(address('MUSUBI_MONGODB_URL'));
  t.teardown(() => mongo.close());
  const db = mongo.db('musubi_auth');
  let counted = 0;
  for (let i = 0; i < 100 && counted < 5; i++) {
    const counts = await db.collection('audit_counts').find({ subjectId: memberId }).toArray();
    counted = counts.reduce((sum, { count }) => sum + Number(count), 0);
    if (counted < 5) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.is(counted, 5);
  for (const { name } of await db.listCollections({ name: /^audit_/ }).toArray()) {
    const kept = JSON.stringify(await db.collection(name).find().toArray());
    for (const personal of [client, loginId]) t.false(kept.includes(personal), name);
  }
});
