import { randomUUID } from 'node:crypto';
import test from 'ava';
import { freshLogin, loginOf, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { LOGIN_HELD_MS, LOGINS_HELD } from '../domain.ts';
import { logIn } from '../rpcs/log-in.ts';
import { stagePassword } from '../rpcs/stage-password.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const TAKEN = { code: 'LOGIN_TAKEN', retryable: false };
const rename = (memberId: string, loginId: string, operationId: string = randomUUID()) =>
  auth.steps.rebindLogin({ operationId, memberId, loginId });
const whoLogsIn = async (loginId: string) => (await logIn(auth, loginOf(loginId))).memberId;
const heldFor = async (loginId: string) => (await auth.store.heldLogins.findOne({ _id: loginId }))?.memberId;

test('a rename that is undone gets its name back, whoever wanted it meanwhile', async (t) => {
  const [hana, hanako] = [freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: hana });
  const operationId = randomUUID();
  await rename(memberId, hanako, operationId);
  t.is(await heldFor(hana), memberId);
  t.like(await t.throwsAsync(auth.member({ loginId: hana })), TAKEN);
  const other = await auth.member();
  t.like(await t.throwsAsync(rename(other, hana.toUpperCase())), { ...TAKEN, fields: [{ field: 'loginId' }] });
  await auth.steps.undo({ operationId: operationId });
  t.is(await whoLogsIn(hana), memberId);
  t.is(await heldFor(hana), undefined);
  await t.notThrowsAsync(rename(other, hanako), 'the name that was given back is free at once');
});

test('a member may take its former name back; then the other one is held', async (t) => {
  const [first, second] = [freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: first });
  await rename(memberId, second);
  const back = randomUUID();
  await rename(memberId, first.toUpperCase(), back);
  t.is(await whoLogsIn(first), memberId);
  t.deepEqual([await heldFor(first), await heldFor(second)], [undefined, memberId]);
  await auth.steps.undo({ operationId: back });
  t.is(await whoLogsIn(second), memberId);
  t.deepEqual([await heldFor(first), await heldFor(second)], [memberId, undefined]);
});

test('a login that is written in another case is the same one, and nothing is held', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const operationId = randomUUID();
  await rename(memberId, loginId.toUpperCase(), operationId);
  t.is((await auth.store.members.findOne({ _id: memberId }))?.loginId, loginId.toUpperCase());
  t.is(await auth.store.heldLogins.countDocuments({ memberId }), 0);
  await auth.steps.undo({ operationId: operationId });
  t.is((await auth.store.members.findOne({ _id: memberId }))?.loginId, loginId);
});

test('the names of a removed login are free, those of others are not', async (t) => {
  const [first, second, others] = [freshLogin(), freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: first });
  await rename(memberId, second);
  await rename(await auth.member({ loginId: others }), freshLogin());
  await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
  await auth.steps.removeLogin({ operationId: randomUUID(), memberId });
  for (const loginId of [first, second]) await t.notThrowsAsync(auth.member({ loginId }));
  await t.throwsAsync(auth.member({ loginId: others }), { code: 'LOGIN_TAKEN' });
});

test('a name is held for 7 days; an undo later than that waits while another has it', async (t) => {
  const [hana, hanako] = [freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: hana });
  const operationId = randomUUID();
  await rename(memberId, hanako, operationId);
  const until = (await auth.store.heldLogins.findOne({ _id: hana }))?.until.getTime() ?? 0;
  t.true(Math.abs(until - Date.now() - LOGIN_HELD_MS) < 60_000);
  const indexes = await auth.store.heldLogins.indexes();
  t.true(indexes.some(({ key, expireAfterSeconds }) => key.until === 1 && expireAfterSeconds === 0));

  await auth.store.heldLogins.deleteOne({ _id: hana }); // as its index does, in 7 days
  const other = await auth.member({ loginId: hana });
  const waits = { code: 'LOGIN_BUSY', retryable: true };
  t.like(await t.throwsAsync(auth.steps.undo({ operationId: operationId })), waits);
  const moved = randomUUID();
  await rename(other, freshLogin(), moved);
  t.like(
    await t.throwsAsync(auth.steps.undo({ operationId: operationId })),
    waits,
    'now it is held for the other, whose undo needs it',
  );
  await auth.steps.undo({ operationId: moved });
  await rename(other, freshLogin());
  await auth.store.heldLogins.deleteOne({ _id: hana });
  await auth.steps.undo({ operationId: operationId });
  t.is(await whoLogsIn(hana), memberId);
});

test('few names are held for one member; then it renames itself no further, but for a name of its own, and every undo works', async (t) => {
  const names = Array.from({ length: LOGINS_HELD + 1 }, freshLogin);
  const [first = '', second = ''] = names;
  const memberId = await auth.member({ loginId: first });
  let last = '';
  for (const name of names.slice(1)) {
    last = randomUUID();
    await rename(memberId, name, last);
  }
  const held = () => auth.store.heldLogins.countDocuments({ memberId });
  t.is(await held(), LOGINS_HELD);
  const further = freshLogin();
  const until = (await auth.store.heldLogins.findOne({ _id: first }))?.until.toISOString() ?? '';
  const refused = await t.throwsAsync(rename(memberId, further), { code: 'TOO_MANY_RENAMES' });
  t.like(refused, { retryable: false, fields: [{ field: 'loginId' }] });
  t.true(refused?.message.includes(until), refused?.message);
  t.is(await held(), LOGINS_HELD, 'none is given up for another');
  await t.notThrowsAsync(auth.member({ loginId: further }), 'and what was refused is free');
  await t.notThrowsAsync(rename(memberId, (names.at(-1) ?? '').toUpperCase()), 'the same name in another case');

  await auth.steps.undo({ operationId: last });
  t.is(await held(), LOGINS_HELD - 1);
  await rename(memberId, names.at(-1) ?? '');
  const back = randomUUID();
  await rename(memberId, second, back);
  t.is(await held(), LOGINS_HELD);
  await auth.steps.undo({ operationId: back });
  t.is(await whoLogsIn(names.at(-1) ?? ''), memberId);
  t.is(await held(), LOGINS_HELD);

  // As time does, though its index has not come by yet.
  await auth.store.heldLogins.updateOne({ _id: first }, { $set: { until: new Date(auth.store.clock.now() - 1) } });
  await t.notThrowsAsync(rename(memberId, freshLogin()));
  await t.throwsAsync(rename(memberId, freshLogin()), { code: 'TOO_MANY_RENAMES' });
});

test('renames side by side hold no more names than one after the other', async (t) => {
  const memberId = await auth.member();
  const answers = await Promise.allSettled(Array.from({ length: 12 }, () => rename(memberId, freshLogin())));
  t.true(answers.filter(({ status }) => status === 'fulfilled').length <= LOGINS_HELD);
  t.true((await auth.store.heldLogins.countDocuments({ memberId })) <= LOGINS_HELD);
});

test('nobody slips into a name while it is given up, taken back or given back', async (t) => {
  const outcomes = new Map<string, number>();
  // The last two: it came into conflict with the others until its time was over.
  const refusals = new Set(['LOGIN_TAKEN', 'STORE_CONFLICT', 'STORE_UNAVAILABLE']);
  for (let round = 0; round < 60; round++) {
    const [hana, hanako] = [freshLogin(), freshLogin()];
    const memberId = await auth.member({ loginId: hana });
    const operationId = randomUUID();
    const refs = await Promise.all([1, 2, 3, 4].map(() => stagePassword(auth.store, auth.passwords, PASSWORD)));
    const bind = (passwordRef: string) =>
      auth.steps.bindLogin({ operationId: randomUUID(), memberId: randomUUID(), loginId: hana, passwordRef });
    const other = await auth.member();
    const [a = '', b = '', c = '', d = ''] = refs;
    const owner = async () => {
      await rename(memberId, hanako, operationId);
      if (round % 3 === 0) await rename(memberId, hana);
      if (round % 3 === 1) await auth.steps.undo({ operationId: operationId });
    };
    // The later ones start while the owner is in the midst of it.
    const intruders = [bind(a), rename(other, hana), later(1, () => bind(b)), later(3, () => bind(c)), later(6, () => bind(d))];
    const [mine, ...theirs] = await Promise.allSettled([owner(), ...intruders]);
    t.is(mine.status, 'fulfilled', String(mine.status === 'rejected' && mine.reason));
    for (const outcome of theirs) {
      const code = outcome.status === 'rejected' ? outcome.reason.code : 'bound';
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
    await auth.steps.undo({ operationId: operationId });
    t.is(await whoLogsIn(hana), memberId);
  }
  t.log(Object.fromEntries(outcomes));
  t.deepEqual(
    [...outcomes.keys()].filter((code) => !refusals.has(code)),
    [],
    'and nobody was bound',
  );
});

test('who looked before the name was bound and given up does not get it either', async (t) => {
  const [hana, hanako] = [freshLogin(), freshLogin()];
  const memberId = await auth.member();
  const template = await auth.store.members.findOne({ _id: memberId });
  await auth.store.mongo.client.withSession(async (session) => {
    session.startTransaction({ readConcern: { level: 'snapshot' } });
    t.is(await auth.store.heldLogins.findOne({ _id: hana }, { session }), null);
    await rename(memberId, hana);
    await rename(memberId, hanako);
    t.is(await heldFor(hana), memberId);
    if (!template) return t.fail();
    const late = { ...template, _id: randomUUID(), loginId: hana, loginKey: hana };
    const error = await t.throwsAsync(auth.store.members.insertOne(late, { session }));
    t.log(error?.message);
    await session.abortTransaction().catch(() => undefined);
  });
  t.is(await auth.store.members.countDocuments({ loginKey: hana }), 0);
});

const later = async <T>(ms: number, work: () => Promise<T>): Promise<T> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return work();
};
