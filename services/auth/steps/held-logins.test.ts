import { randomUUID } from 'node:crypto';
import test from 'ava';
import { freshLogin, LOGIN_RULES, loginOf, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { checkRename } from '../rpcs/check-rename.ts';
import { listHeldLogins } from '../rpcs/list-held-logins.ts';
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
const held = () => auth.store.heldLogins.collection;
const idOf = (loginId: string) => auth.store.heldLogins.idOf(loginId);
const heldFor = async (loginId: string) => (await held().findOne({ _id: idOf(loginId) }))?.memberId;

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
  t.is(await held().countDocuments({ memberId }), 0);
  await auth.steps.undo({ operationId: operationId });
  t.is((await auth.store.members.findOne({ _id: memberId }))?.loginId, loginId);
});

test('the names of a removed login are held, and nobody can read what they were', async (t) => {
  const [first, second, others] = [freshLogin(), freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: first });
  await rename(memberId, second);
  t.like(await held().findOne({ _id: idOf(first) }), { memberId, loginId: first });
  await rename(await auth.member({ loginId: others }), freshLogin());
  await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
  await auth.steps.removeLogin({ operationId: randomUUID(), memberId });
  for (const loginId of [first, second.toUpperCase(), others])
    await t.throwsAsync(auth.member({ loginId }), { code: 'LOGIN_TAKEN' }, loginId);
  const kept = JSON.stringify(await held().find({ memberId }).toArray());
  t.regex(kept, /"until"/);
  for (const loginId of [first, second]) t.false(kept.includes(loginId));
  const { heldLogins } = await listHeldLogins(auth.store, { loginId: second, pageSize: 0, pageToken: '' });
  t.like(heldLogins, [{ memberId, loginId: undefined, holdId: idOf(second) }]);
});

test('a name is held for 30 days; an undo later than that waits while another has it', async (t) => {
  const [hana, hanako] = [freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: hana });
  const operationId = randomUUID();
  await rename(memberId, hanako, operationId);
  const until = (await held().findOne({ _id: idOf(hana) }))?.until.getTime() ?? 0;
  t.true(Math.abs(until - Date.now() - LOGIN_RULES.heldMs) < 60_000);
  const indexes = await held().indexes();
  t.true(indexes.some(({ key, expireAfterSeconds }) => key.until === 1 && expireAfterSeconds === 0));

  await held().deleteOne({ _id: idOf(hana) }); // as its index does, in 30 days
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
  await held().deleteOne({ _id: idOf(hana) });
  await auth.steps.undo({ operationId: operationId });
  t.is(await whoLogsIn(hana), memberId);
});

test('few names are held for one member; then it renames itself no further, but for a name of its own, and every undo works', async (t) => {
  const names = Array.from({ length: LOGIN_RULES.heldAtMost + 1 }, freshLogin);
  const [first = '', second = ''] = names;
  const memberId = await auth.member({ loginId: first });
  let last = '';
  for (const name of names.slice(1)) {
    last = randomUUID();
    await rename(memberId, name, last);
  }
  const count = () => held().countDocuments({ memberId });
  t.is(await count(), LOGIN_RULES.heldAtMost);
  const further = freshLogin();
  const until = (await held().findOne({ _id: idOf(first) }))?.until.toISOString() ?? '';
  const refused = await t.throwsAsync(rename(memberId, further), { code: 'TOO_MANY_RENAMES' });
  t.like(refused, { retryable: false, fields: [{ field: 'loginId' }] });
  t.true(refused?.message.includes(until), refused?.message);
  t.is(await count(), LOGIN_RULES.heldAtMost, 'none is given up for another');
  await t.notThrowsAsync(auth.member({ loginId: further }), 'and what was refused is free');
  await t.notThrowsAsync(rename(memberId, (names.at(-1) ?? '').toUpperCase()), 'the same name in another case');

  await auth.steps.undo({ operationId: last });
  t.is(await count(), LOGIN_RULES.heldAtMost - 1);
  await rename(memberId, names.at(-1) ?? '');
  const back = randomUUID();
  await rename(memberId, second, back);
  t.is(await count(), LOGIN_RULES.heldAtMost);
  await auth.steps.undo({ operationId: back });
  t.is(await whoLogsIn(names.at(-1) ?? ''), memberId);
  t.is(await count(), LOGIN_RULES.heldAtMost);

  // As time does, though its index has not come by yet.
  await held().updateOne({ _id: idOf(first) }, { $set: { until: new Date(auth.store.clock.now() - 1) } });
  await t.notThrowsAsync(rename(memberId, freshLogin()));
  await t.throwsAsync(rename(memberId, freshLogin()), { code: 'TOO_MANY_RENAMES' });
});

test('renames side by side hold no more names than one after the other', async (t) => {
  const memberId = await auth.member();
  const answers = await Promise.allSettled(Array.from({ length: 12 }, () => rename(memberId, freshLogin())));
  t.true(answers.filter(({ status }) => status === 'fulfilled').length <= LOGIN_RULES.heldAtMost);
  t.true((await held().countDocuments({ memberId })) <= LOGIN_RULES.heldAtMost);
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
    t.is(await held().findOne({ _id: idOf(hana) }, { session }), null);
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

test('a released name is free at once, and is held again where that is undone', async (t) => {
  const [hana, hanako, other] = [freshLogin(), freshLogin(), await auth.member()];
  const memberId = await auth.member({ loginId: hana });
  await rename(memberId, hanako);
  const before = await held().findOne({ _id: idOf(hana) });
  const operationId = randomUUID();
  await auth.steps.releaseLogin({ operationId, holdId: idOf(hana) });
  t.is(await heldFor(hana), undefined);
  await auth.steps.undo({ operationId });
  t.deepEqual(await held().findOne({ _id: idOf(hana) }), before);
  await t.throwsAsync(rename(other, hana), { code: 'LOGIN_TAKEN' });
  await auth.steps.releaseLogin({ operationId: randomUUID(), holdId: idOf(hana) });
  await t.notThrowsAsync(rename(other, hana));
  const again = { operationId: randomUUID(), holdId: idOf(hana) };
  t.like(await t.throwsAsync(auth.steps.releaseLogin(again)), { code: 'HOLD_NOT_FOUND', retryable: false });
  t.like(await t.throwsAsync(auth.steps.releaseLogin({ ...again, holdId: hana })), { code: 'INVALID_ARGUMENT' });
});

test('a release that is undone takes no hold from who has come after it', async (t) => {
  const [hana, other] = [freshLogin(), await auth.member()];
  await rename(await auth.member({ loginId: hana }), freshLogin());
  const operationId = randomUUID();
  await auth.steps.releaseLogin({ operationId, holdId: idOf(hana) });
  await rename(other, hana);
  await rename(other, freshLogin());
  await auth.steps.undo({ operationId });
  t.is(await heldFor(hana), other);
});

test('a member is renamed a few times, then it must wait; an undo gives its turn back', async (t) => {
  let now = Date.now();
  const rules = { loginRules: { heldAtMost: 100, renames: { burst: 2, everySeconds: 60 } }, now: () => now };
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL, rules);
  t.teardown(() => own.close());
  const [a, b] = [freshLogin(), freshLogin()];
  const memberId = await own.member({ loginId: a });
  const renameTo = (loginId: string, operationId: string = randomUUID()) =>
    own.steps.rebindLogin({ operationId, memberId, loginId });
  const before = await own.store.members.findOne({ _id: memberId });
  const undone = randomUUID();
  await renameTo(b, undone);
  await own.steps.undo({ operationId: undone });
  t.deepEqual(
    { ...(await own.store.members.findOne({ _id: memberId })), version: 0, updatedAt: 0 },
    { ...before, version: 0, updatedAt: 0 },
  );
  await renameTo(b);
  await checkRename(own.store, memberId);
  await renameTo(a);
  const wait = { code: 'RENAMED_TOO_OFTEN', retryable: false, retryAfterSeconds: 60, fields: [{ field: 'loginId' }] };
  t.like(await t.throwsAsync(renameTo(b)), wait);
  t.like(await t.throwsAsync(checkRename(own.store, memberId)), wait);
  await t.notThrowsAsync(checkRename(own.store, randomUUID()), 'of a member that is not there, the job tells');
  now += 60_000;
  await renameTo(b);
  t.like(await t.throwsAsync(renameTo(a)), wait);
  const many = await Promise.allSettled(Array.from({ length: 8 }, () => renameTo(freshLogin())));
  t.true(many.every(({ status }) => status === 'rejected'));
  now += 120_000;
  const some = await Promise.allSettled(Array.from({ length: 8 }, () => renameTo(freshLogin())));
  t.true(some.filter(({ status }) => status === 'fulfilled').length <= 2, 'also side by side');
});

test('holds of earlier releases, under their plain names, are held on', async (t) => {
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => own.close());
  const [memberId, loginId, until] = [randomUUID(), freshLogin(), new Date(Date.now() + 60_000)];
  const { heldLogins } = own.store;
  await heldLogins.collection.insertOne({ _id: loginId, memberId, until } as never);
  await heldLogins.renameOld();
  t.like(await heldLogins.collection.find().toArray(), [{ _id: heldLogins.idOf(loginId), memberId, loginId, until }]);
  await t.throwsAsync(own.member({ loginId }), { code: 'LOGIN_TAKEN' });
});

const later = async <T>(ms: number, work: () => Promise<T>): Promise<T> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return work();
};
