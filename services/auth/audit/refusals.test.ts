import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { permissionDenied, resourceExhausted, unauthenticated } from '#platform/errors.ts';
import { openTestAuth, type TestAuth, type TestAuthOptions } from '../auth.fixture.ts';
import { Audit } from './audit.ts';
import { check } from './check.ts';

const MINUTE_MS = 60_000;

async function opened(t: ExecutionContext, options: TestAuthOptions = {}): Promise<TestAuth> {
  const auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL, options);
  t.teardown(() => auth.close());
  return auth;
}

/** A clock that stands at the begin of a minute, until it is set on. */
function clock() {
  const time = { ms: Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS };
  return { time, now: () => time.ms };
}

test.serial(
  'what is refused is counted by source and minute, in all processes, and is one event when its minute is over',
  async (t) => {
    const { time, now } = clock();
    const auth = await opened(t, { now });
    const other = await auth.sibling();
    t.teardown(() => other.lifecycle.stop('done'));
    const [actorId, subjectId] = [randomUUID(), randomUUID()];
    const begun = new Date(time.ms);
    for (let i = 0; i < 200; i++) {
      time.ms += 100;
      for (const { audit } of [auth, other]) {
        audit.refusals.count({ action: 'auth.login', code: 'BAD_CREDENTIALS', address: '192.0.2.1', subjectId });
        audit.refusals.count({ action: 'auth.login', code: 'BAD_CREDENTIALS', address: '192.0.2.2', subjectId });
        audit.refusals.count({ action: 'member.delete', code: 'PERMISSION_DENIED', address: '192.0.2.1', actorId });
      }
      if (i % 50 === 0) await auth.audit.refusals.flush();
    }
    await Promise.all([auth.audit.refusals.flush(), other.audit.refusals.flush()]);
    t.is(await auth.store.audit.counts.countDocuments(), 3);
    await auth.audit.work();
    t.is(await auth.store.audit.events.countDocuments(), 0, 'the minute is not over');
    time.ms = begun.getTime() + MINUTE_MS + 5_000;
    await auth.audit.work();
    t.is(await auth.store.audit.events.countDocuments(), 0, 'processes may have some of it yet');
    time.ms += MINUTE_MS;
    await Promise.all([auth.audit.work(), other.audit.work()]);
    const events = await auth.store.audit.events.find({}, { sort: { action: 1 } }).toArray();
    const refused = { count: 400, at: begun };
    t.like(events, [
      { ...refused, action: 'auth.login', outcome: 'BAD_CREDENTIALS', actorId: undefined },
      { ...refused, action: 'auth.login', outcome: 'BAD_CREDENTIALS' },
      { ...refused, action: 'member.delete', outcome: 'PERMISSION_DENIED', actorId, resources: [] },
    ]);
    t.deepEqual(events[0]?.resources, [{ type: 'Member', id: subjectId }]);
    const sealed = events.map(({ from }) => ({ memberId: from?.sealedFor ?? '', sealed: from?.origin ?? '' }));
    t.deepEqual(
      sealed.map(({ memberId }) => memberId),
      [subjectId, subjectId, actorId],
    );
    const read = (await auth.store.memberKeys.open(sealed)).map(
      (text) => (JSON.parse(text ?? '') as { address: string }).address,
    );
    t.deepEqual([read.slice(0, 2).sort(), read[2]], [['192.0.2.1', '192.0.2.2'], '192.0.2.1']);
    t.is(await auth.store.audit.counts.countDocuments(), 0);
    t.like(await check(auth.audit.chain.tell()), { events: 3, broken: undefined });
  },
);

test.serial('what comes after its minute was settled is an event of its own: none is lost, and none counts twice', async (t) => {
  const { time, now } = clock();
  const auth = await opened(t, { now });
  const refusal = { action: 'auth.login', code: 'BAD_CREDENTIALS', address: '192.0.2.1' };
  auth.audit.refusals.count(refusal);
  await auth.audit.refusals.flush();
  auth.audit.refusals.count(refusal);
  time.ms += 2 * MINUTE_MS;
  await auth.audit.refusals.settle();
  await auth.audit.work();
  await auth.audit.work();
  const counts = await auth.store.audit.events.find().toArray();
  t.deepEqual(
    counts.map(({ count }) => count),
    [1, 1],
  );
});

test.serial('a flood from everywhere leaves as many events as are allowed, and hides no member', async (t) => {
  const { time, now } = clock();
  const auth = await opened(t, { now });
  const audit = new Audit(auth.store, auth.masterKey, { countsAtMost: 20 });
  const actorId = randomUUID();
  for (let i = 0; i < 3_000; i++)
    audit.refusals.count({ action: 'auth.login', code: 'BAD_CREDENTIALS', address: `198.51.${i % 200}.${i >> 8}` });
  audit.refusals.count({ action: 'member.delete', code: 'PERMISSION_DENIED', address: '192.0.2.1', actorId });
  await audit.work();
  t.is(await auth.store.audit.counts.countDocuments(), 22, 'twenty, all others together, and the member');
  time.ms += 2 * MINUTE_MS;
  // The next minute has room again.
  audit.refusals.count({ action: 'auth.login', code: 'BAD_CREDENTIALS', address: '203.0.113.1' });
  await audit.work();
  const events = await auth.store.audit.events.find().toArray();
  const strangers = events.filter(({ action }) => action === 'auth.login');
  t.is(
    strangers.reduce((sum, { count = 0 }) => sum + count, 0),
    3_000,
  );
  t.is(strangers.filter(({ from }) => from === undefined).length, 1);
  t.like(
    events.find((event) => event.actorId === actorId),
    { count: 1, outcome: 'PERMISSION_DENIED' },
  );
  t.is(await auth.store.audit.counts.countDocuments({ from: { $exists: true } }), 1);
});

test.serial('a member that is refused from everywhere hides no other, and itself as little', async (t) => {
  const { time, now } = clock();
  const auth = await opened(t, { now });
  const [loud, quiet] = [randomUUID(), randomUUID()];
  const refused = (actorId: string, address: string) =>
    auth.audit.refusals.count({ action: 'member.delete', code: 'PERMISSION_DENIED', address, actorId });
  for (let i = 0; i < 2_000; i++) refused(loud, `2001:db8:${i.toString(16)}::/64`);
  refused(quiet, '192.0.2.7');
  await auth.audit.refusals.flush();
  time.ms += 2 * MINUTE_MS;
  await auth.audit.work();
  const countOf = async (actorId: string) =>
    (await auth.store.audit.events.find({ actorId }).toArray()).map(({ count = 0 }) => count);
  t.deepEqual(await countOf(quiet), [1]);
  const counts = await countOf(loud);
  t.is(
    counts.reduce((sum, count) => sum + count, 0),
    2_000,
  );
  t.true(counts.length <= 60, `${counts.length}`);
});

test.serial('what can not be written is kept for the next time', async (t) => {
  const auth = await opened(t);
  const { counts } = auth.store.audit;
  const refusal = { action: 'auth.login', code: 'BAD_CREDENTIALS', address: '' };
  for (let i = 0; i < 3; i++) auth.audit.refusals.count(refusal);
  const { bulkWrite } = counts;
  counts.bulkWrite = () => Promise.reject(new Error('away'));
  await t.throwsAsync(auth.audit.refusals.flush(), { message: 'away' });
  auth.audit.refusals.count(refusal);
  counts.bulkWrite = bulkWrite;
  await auth.audit.refusals.flush();
  const written = await counts.find().toArray();
  t.is(
    written.reduce((sum, { count }) => sum + count, 0),
    4,
  );
});

test.serial('nothing that is counted says from where in plain words', async (t) => {
  const { time, now } = clock();
  const auth = await opened(t, { now });
  auth.audit.refusals.count({ action: 'auth.login', code: 'BAD_CREDENTIALS', address: '192.0.2.77', subjectId: randomUUID() });
  auth.audit.refusals.count({ action: 'auth.login', code: 'BAD_CREDENTIALS', address: '192.0.2.77' });
  await auth.audit.refusals.flush();
  const counted = JSON.stringify(await auth.store.audit.counts.find().toArray());
  time.ms += 2 * MINUTE_MS;
  await auth.audit.work();
  const chained = JSON.stringify(await auth.store.audit.events.find().toArray());
  t.regex(chained, /BAD_CREDENTIALS/);
  for (const kept of [counted, chained]) t.false(kept.includes('192.0.2.77'));
});

test.serial('guesses at several logins from one source are told apart', async (t) => {
  const auth = await opened(t);
  const subjects = [randomUUID(), randomUUID()];
  for (const subjectId of subjects)
    auth.audit.refusals.count({ action: 'auth.login', code: 'BAD_CREDENTIALS', address: '192.0.2.1', subjectId });
  await auth.audit.refusals.flush();
  t.deepEqual((await auth.store.audit.counts.distinct('subjectId')).sort(), subjects.sort());
});

test('what is no refusal of somebody is not counted, and counting never fails', async (t) => {
  const own = await opened(t);
  for (const error of [new Error('defect'), undefined, 'text', permissionDenied('PERMISSION_DENIED')])
    own.audit.refused(error, { action: 'member.read' });
  t.is(permissionDenied('PERMISSION_DENIED').grpcStatus, status.PERMISSION_DENIED);
  // Every client meets the one, and the other has an event of its own.
  for (const code of ['TOKEN_EXPIRED', 'REFRESH_TOKEN_REUSED'] as const)
    own.audit.refused(unauthenticated(code), { action: 'member.read' });
  await own.audit.refusals.flush();
  t.is(await own.store.audit.counts.countDocuments(), 1);
  own.audit.refused(resourceExhausted('TOO_MANY_ATTEMPTS'), { action: 'auth.login' });
  own.audit.refused(unauthenticated('TOKEN_INVALID'), { action: 'member.read' });
  await own.audit.refusals.flush();
  t.deepEqual((await own.store.audit.counts.distinct('code')).sort(), [
    'PERMISSION_DENIED',
    'TOKEN_INVALID',
    'TOO_MANY_ATTEMPTS',
  ]);
});
