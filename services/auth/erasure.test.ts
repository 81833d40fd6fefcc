import { randomUUID } from 'node:crypto';
import test from 'ava';
import { createLogger } from '#platform/process/log.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from './auth.fixture.ts';
import { authErasure } from './erasure.ts';
import { Erasures } from './erasures.ts';
import { confirmErasures, listErasures, noteErasures } from './rpcs/erasures.ts';
import { logIn } from './rpcs/log-in.ts';
import { Pseudonyms } from './vault.ts';

const HOUR_MS = 3_600_000;

let auth: TestAuth;
let now = Date.now();
let erasure: ReturnType<typeof authErasure>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => now });
  erasure = authErasure(auth.store);
});
test.after.always(() => auth?.close());

const of = (memberId: string) => ({ operationId: randomUUID(), memberId });
async function removed() {
  const [first, second] = [freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: first });
  await auth.steps.rebindLogin({ ...of(memberId), loginId: second });
  await auth.store.memberKeys.seal(memberId, 'what audit keeps');
  const document = await auth.store.members.findOne({ _id: memberId });
  await auth.steps.suspendLogin(of(memberId));
  const removal = of(memberId);
  await auth.steps.removeLogin(removal);
  return { memberId, first, second, document, removal };
}
const record = (memberId: string) => auth.store.erasures.collection.findOne({ _id: memberId });
const traces = async (...words: string[]): Promise<string[]> => {
  const collections = await auth.store.mongo.db.collections();
  const documents = await Promise.all(collections.map((each) => each.find().toArray()));
  const texts = documents.flat().map((document) => JSON.stringify(document));
  return texts.filter((text) => words.some((word) => text.toLowerCase().includes(word.toLowerCase())));
};

test.serial('a login that is removed asks for the erasure of its member, once, and an undone deletion for none', async (t) => {
  const kept = await auth.member();
  const suspension = of(kept);
  await auth.steps.suspendLogin(suspension);
  await auth.steps.undo({ operationId: suspension.operationId });
  t.is(await record(kept), null);
  const { memberId, removal } = await removed();
  const everywhere = ['member', 'role', 'group', 'position', 'auth', 'chat', 'query', 'temporal'];
  t.like(await record(memberId), { requestedAt: new Date(now), waitingFor: everywhere }, 'nobody has looked yet');
  now += 1_000;
  await auth.steps.removeLogin(removal);
  await auth.steps.removeLogin(of(memberId));
  t.deepEqual((await record(memberId))?.requestedAt, new Date(now - 1_000));
  // Its store was restored to a copy without the login.
  const unknown = randomUUID();
  await auth.steps.removeLogin(of(unknown));
  t.truthy(await record(unknown));
  const asked = { aggregatetype: 'erasure', aggregateid: { $in: [memberId, unknown] } };
  t.is(await auth.store.mongo.db.collection('outbox').countDocuments(asked), 2, 'Kafka is told of each once');
});

test.serial('what the undo of a release needs goes, too', async (t) => {
  const [first, second] = [freshLogin(), freshLogin()];
  const memberId = await auth.member({ loginId: first });
  await auth.steps.rebindLogin({ ...of(memberId), loginId: second });
  await auth.steps.releaseLogin({ operationId: randomUUID(), holdId: auth.store.heldLogins.idOf(first) });
  await auth.steps.suspendLogin(of(memberId));
  await auth.steps.removeLogin(of(memberId));
  t.is((await traces(first, second)).length, 2, 'the undos of the rename and of the release');
  t.like((await erasure.erase([memberId])).erased.at(-1), { place: 'operations', count: 2 });
  t.deepEqual(await traces(first, second), []);
});

test.serial('what undos need and what opens what audit keeps goes, and all of a login that is there again', async (t) => {
  const { memberId, first, second, document } = await removed();
  t.is((await traces(first, second)).length, 1, 'the undo of the rename');
  const { erased } = await erasure.erase([memberId]);
  t.deepEqual(erased, [
    { memberId, place: 'member_keys', count: 1 },
    { memberId, place: 'operations', count: 1 },
  ]);
  t.deepEqual(await traces(first, second), []);
  t.deepEqual((await erasure.erase([memberId])).erased, []);

  if (document) await auth.store.members.insertOne(document);
  const hold = { memberId, loginId: first, heldAt: new Date(), until: new Date(Date.now() + HOUR_MS) };
  await auth.store.heldLogins.collection.replaceOne({ _id: auth.store.heldLogins.idOf(first) }, hold, { upsert: true });
  t.is((await logIn(auth, loginOf(second))).memberId, memberId);
  t.like((await erasure.erase([memberId])).erased, [
    { place: 'members', count: 1 },
    { place: 'held_logins', count: 1 },
  ]);
  t.deepEqual(await traces(first, second), []);
  await t.throwsAsync(logIn(auth, loginOf(second)), { code: 'BAD_CREDENTIALS' });
  await t.throwsAsync(auth.member({ loginId: second }), { code: 'LOGIN_TAKEN' }, 'its name is held');
  const removal = await auth.store.mongo.db.collection('outbox').find({ aggregateid: memberId }).toArray();
  t.is(removal.filter(({ type }) => type === 'auth.login-removed').length, 2, 'so that its sockets close');
});

test.serial('a member is due so long after its deletion, whoever lists it; one that is not known any more at once', async (t) => {
  const { masterKey, store, log } = auth;
  const erasures = new Erasures(store.erasures.collection, store.clock, new Pseudonyms(masterKey, 'erasures'), HOUR_MS);
  const hourly = { log, store: { ...store, erasures } };
  const listed = async (of: Erasures, memberId: string) => (await of.due('', 500)).find((each) => each.memberId === memberId);
  const { memberId } = await removed();
  t.is(await listed(erasures, memberId), undefined);
  const one = await listed(store.erasures, memberId);
  t.truthy(one?.proof);
  const requested = one ? [one] : [];
  t.deepEqual(await confirmErasures(hourly, { requested, untoldMemberIds: [] }), []);
  now += HOUR_MS;
  t.deepEqual(await listed(erasures, memberId), one);
  t.deepEqual(await confirmErasures(hourly, { requested, untoldMemberIds: [] }), [memberId]);
  // The store was restored.
  await store.erasures.collection.deleteOne({ _id: memberId });
  t.deepEqual(await confirmErasures(hourly, { requested, untoldMemberIds: [] }), [memberId]);
  t.truthy(await record(memberId));
});

test.serial('nobody else than Auth has a member erased, whatever is written to Kafka', async (t) => {
  const [memberId, other] = [await auth.member(), await removed()];
  const proof = (await auth.store.erasures.due('', 500)).find((each) => each.memberId === other.memberId)?.proof ?? '';
  const requested = [proof, '', 'guess'].map((each) => ({ memberId, proof: each }));
  t.deepEqual(await confirmErasures({ ...auth, log: createLogger('auth', 'silent') }, { requested, untoldMemberIds: [] }), []);
  t.is(await record(memberId), null);
  const told = await auth.store.mongo.db.collection('outbox').findOne({ aggregatetype: 'erasure', aggregateid: other.memberId });
  t.deepEqual(JSON.parse(String(told?.payload)), { memberId: other.memberId, proof });
});

test.serial('what Kafka has lost of erasures is told again, of those only that Auth has asked for', async (t) => {
  const [{ memberId }, stranger] = [await removed(), await auth.member()];
  const outbox = auth.store.mongo.db.collection('outbox');
  const told = { aggregatetype: 'erasure', aggregateid: { $in: [memberId, stranger] } };
  const [before] = await outbox.find(told).toArray();
  await outbox.deleteMany(told);
  t.deepEqual(await confirmErasures(auth, { requested: [], untoldMemberIds: [memberId, stranger] }), []);
  const after = await outbox.find(told).toArray();
  t.is(after.length, 1);
  t.like(after[0], { aggregateid: memberId, type: 'erasure.requested', version: 1, payload: before?.payload });
});

test.serial('what was erased is noted where it was, what waits and since when, and what was there again', async (t) => {
  const { memberId } = await removed();
  const note = (erased: { place: string; count: number }[], waitingFor: string[]) =>
    noteErasures(auth.store, { notes: [{ memberId, erased, waitingFor }] });
  const listed = async () =>
    (await listErasures(auth.store, { pageSize: 500, pageToken: '' })).erasures.find((each) => each.memberId === memberId);
  const requestedAt = new Date(now);
  t.deepEqual(await note([{ place: 'member.operations', count: 3 }], ['query', 'member']), []);
  t.like(await listed(), { requestedAt, erasedAt: undefined, waitingFor: ['query', 'member'] });
  now += 25 * HOUR_MS;
  t.deepEqual(await note([], ['query']), [memberId], 'a day is over');
  now += HOUR_MS;
  t.deepEqual(
    await note(
      [
        { place: 'member.operations', count: 1 },
        { place: 'query.members', count: 1 },
      ],
      [],
    ),
    [],
  );
  const erasedAt = new Date(now);
  const erased = [
    { place: 'member.operations', count: 4 },
    { place: 'query.members', count: 1 },
  ];
  t.deepEqual(await listed(), { memberId, requestedAt, erasedAt, erasedAgainAt: undefined, erased, waitingFor: [] });
  now += HOUR_MS;
  await note([], []);
  t.deepEqual((await listed())?.erasedAgainAt, undefined, 'nothing was found');
  await note([{ place: 'query.members', count: 1 }], []);
  t.like(await listed(), { erasedAt, erasedAgainAt: new Date(now) });
  t.deepEqual(await note([], ['query']), [], 'it was erased in time, whatever is looked for again');
  for (const place of ['members', 'a.b.c', '$where.a', 'a.', ''])
    t.like(await t.throwsAsync(note([{ place, count: 1 }], [])), { code: 'INVALID_ARGUMENT' });
});

test.serial('the report comes page by page', async (t) => {
  await Promise.all([removed(), removed(), removed()]);
  const all = await auth.store.erasures.collection.find({}, { sort: { _id: 1 } }).toArray();
  const found: string[] = [];
  for (let pageToken = ''; ; ) {
    const page = await listErasures(auth.store, { pageSize: 2, pageToken });
    found.push(...page.erasures.map(({ memberId }) => memberId));
    pageToken = page.nextPageToken;
    if (pageToken === '') break;
  }
  t.deepEqual(
    found,
    all.map(({ _id }) => _id),
  );
  for (const pageSize of [0, 501])
    await t.throwsAsync(listErasures(auth.store, { pageSize, pageToken: '' }), { code: 'INVALID_ARGUMENT' });
});
