import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { transaction } from '#platform/operations/mongo.ts';
import { openTestAuth, type TestAuth, type TestAuthOptions } from '../auth.fixture.ts';
import { BATCH, type Head } from './chain.ts';
import { check } from './check.ts';
import { type ChainedEvent, contentOf, hashOf } from './event.ts';

async function opened(t: ExecutionContext, options: TestAuthOptions = {}): Promise<TestAuth> {
  const auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL, options);
  t.teardown(() => auth.close());
  return auth;
}

const DAY_MS = 24 * 3_600_000;

/** So many things happen, each by a member of its own. */
async function happen({ store, audit }: TestAuth, times: number): Promise<void> {
  for (let left = times; left > 0; left -= 100)
    await transaction(store.mongo, async (session) => {
      for (let i = 0; i < Math.min(left, 100); i++) {
        const what = { action: 'member.update', actorId: randomUUID(), sessionId: randomUUID(), jobId: randomUUID() };
        const from = { sealedFor: what.actorId, origin: 'a.b.c' };
        await audit.note(session, { ...what, traceId: 'f'.repeat(32), from, resources: [{ type: 'Member', id: randomUUID() }] });
      }
    });
}

/** Each in a batch of its own. */
async function happenApart(auth: TestAuth, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await happen(auth, 1);
    await auth.audit.chain.chain();
  }
}

const checked = ({ audit }: TestAuth, noted?: Head) => check(audit.chain.tell(), noted);
const brokenBy = async (auth: TestAuth, noted?: Head) => (await checked(auth, noted)).broken;

test.serial('what happened is chained in batches, whole, and a head that was noted is found again', async (t) => {
  const auth = await opened(t);
  t.deepEqual(await checked(auth), { events: 0, head: { sequence: 0, hash: '' } });
  await happen(auth, 3);
  const { head } = await checked(auth);
  t.is(head.sequence, 3);
  t.is(await auth.store.audit.waiting.countDocuments(), 0);
  await happen(auth, BATCH + 1);
  const later = await checked(auth, head);
  t.like(later, { events: BATCH + 4, broken: undefined });
  t.is(later.head.sequence, BATCH + 4);
  t.is(await auth.store.audit.events.countDocuments({ signature: { $exists: true } }), 3, 'one of each batch is signed');
  t.is(await brokenBy(auth, { ...head, hash: later.head.hash }), '3 is another one than was noted');
});

test.serial('two and more that chain at once make one chain', async (t) => {
  const auth = await opened(t);
  const others = await Promise.all([1, 2, 3].map(() => auth.sibling()));
  for (const { lifecycle } of others) t.teardown(() => lifecycle.stop('done'));
  const rounds = 3;
  for (let round = 1; round <= rounds; round++) {
    await happen(auth, 60);
    const chaining = [auth, ...others].map(({ audit }) => audit.chain.chain());
    await Promise.all([...chaining, happen(auth, 5), ...[auth, ...others].map(({ audit }) => audit.chain.chain())]);
    t.like(await checked(auth), { events: round * 65, broken: undefined });
  }
  t.is((await auth.store.audit.events.distinct('eventId')).length, rounds * 65, 'each once');
});

/** Another value of the same kind. */
const other = (value: unknown): unknown => {
  if (typeof value === 'number') return value + 1;
  if (value instanceof Date) return new Date(value.getTime() + 1);
  if (Array.isArray(value)) return [...value, { type: 'Role', id: 'admin' }];
  return typeof value === 'string' ? `${value}x` : { sealedFor: 'x', origin: 'x' };
};

test.serial('an event of which anything is changed, taken away or added breaks it there', async (t) => {
  const auth = await opened(t);
  await happen(auth, 2);
  await auth.audit.chain.chain();
  await happen(auth, 2);
  await auth.audit.chain.chain();
  const { events } = auth.store.audit;
  const third = await events.findOne({ _id: 3 });
  if (!third) throw new Error('there is none');
  const { _id, ...fields } = third;
  t.deepEqual(
    Object.keys(fields).sort(),
    'action actorId at chainedAt eventId first from hash jobId resources sessionId traceId'.split(' ').sort(),
  );
  for (const [field, value] of Object.entries(fields)) {
    await events.updateOne({ _id }, { $set: { [field]: other(value) } });
    t.regex((await brokenBy(auth)) ?? '', /^3 /, field);
    await events
      .updateOne({ _id }, field === 'from' ? { $unset: { [field]: '' } } : { $set: { [field]: '' } })
      .catch(() => undefined);
    await events.replaceOne({ _id }, fields as ChainedEvent);
  }
  for (const added of [{ count: 7 }, { outcome: 'PERMISSION_DENIED' }]) {
    await events.updateOne({ _id }, { $set: added });
    t.is(await brokenBy(auth), '3 is not what was chained');
    await events.replaceOne({ _id }, fields as ChainedEvent);
  }
  t.is(await brokenBy(auth), undefined, 'and is whole as it was');
});

test.serial('one that is removed, inserted, or changes places breaks it', async (t) => {
  const auth = await opened(t);
  const { events } = auth.store.audit;
  await happen(auth, 5);
  await auth.audit.chain.chain();
  const all = await events.find({}, { sort: { _id: 1 } }).toArray();
  const [first, second, third, fourth] = all;
  if (!first || !second || !third || !fourth) throw new Error('they are not there');
  const restore = async (): Promise<void> => {
    await events.deleteMany({});
    await events.insertMany(all);
    t.is(await brokenBy(auth), undefined);
  };
  await events.deleteOne({ _id: 3 });
  t.is(await brokenBy(auth), '3 is missing');
  await restore();
  await events.deleteOne({ _id: 1 });
  t.is(await brokenBy(auth), '1 is missing');
  await restore();
  await events.deleteMany({ _id: { $in: [2, 3] } });
  await events.insertMany([
    { ...third, _id: 2 },
    { ...second, _id: 3 },
  ]);
  t.is(await brokenBy(auth), '2 is not what was chained');
  await restore();
  // One more, and those behind it moved on.
  await events.deleteMany({ _id: { $gt: 1 } });
  await events.insertMany([
    { ...first, _id: 2, eventId: randomUUID() },
    ...all.slice(1).map((event) => ({ ...event, _id: event._id + 1 })),
  ]);
  t.is(await brokenBy(auth), '2 is not what was chained');
});

/** As somebody would who can write to the store and has not Auth's key: all hashes fit again. */
async function rewrite(
  auth: TestAuth,
  from: number,
  change: (event: ChainedEvent) => Omit<ChainedEvent, 'hash' | 'signature'> & { signature?: string | undefined },
): Promise<void> {
  const { events } = auth.store.audit;
  let hash = (await events.findOne({ _id: from - 1 }))?.hash ?? '';
  for (const event of await events.find({ _id: { $gte: from } }, { sort: { _id: 1 } }).toArray()) {
    const changed = change(event);
    hash = hashOf(hash, contentOf(changed));
    await events.replaceOne({ _id: event._id }, { ...changed, hash } as ChainedEvent);
  }
}

test.serial('who can write to the store and has not the key can make no chain that is taken for whole', async (t) => {
  const auth = await opened(t);
  await happenApart(auth, 6);
  const forged = { actorId: randomUUID() };
  const keeping = await opened(t);
  await happenApart(keeping, 6);

  await rewrite(auth, 4, (event) => ({ ...event, ...(event._id === 4 ? forged : {}) }));
  t.is(await brokenBy(auth), '4 is not signed by Auth', 'what was signed is not what is there');
  await rewrite(auth, 4, (event) => ({ ...event, signature: undefined }));
  t.is(await brokenBy(auth), '4 is not signed');
  // As if they had been chained together.
  await rewrite(auth, 4, (event) => ({ ...event, first: 4 }));
  t.is(await brokenBy(auth), '6, the newest, is not signed');
  // Auth goes on behind it, and signs.
  await happen(auth, 1);
  t.is(await brokenBy(auth), '6 is not signed');
  await rewrite(auth, 4, (event) => ({ ...event, first: 4, signature: 'AAAA' }));
  t.is(await brokenBy(auth), '4 is not signed by Auth');
  const stranger = await opened(t);
  await happen(stranger, 4);
  await stranger.audit.chain.chain();
  const { signature } = (await stranger.store.audit.events.findOne({ _id: 4 })) ?? {};
  await rewrite(auth, 4, (event) => ({ ...event, first: 4, ...(signature ? { signature } : {}) }));
  t.is(await brokenBy(auth), '4 is not signed by Auth', 'nor by a key of its own');
  t.is(await brokenBy(keeping), undefined);
});

test.serial('an end that was cut off shows by a head that was noted, and to a process that has seen it', async (t) => {
  const auth = await opened(t);
  await happenApart(auth, 5);
  await auth.audit.chain.look();
  const { head } = await checked(auth);
  t.is(head.sequence, 5);
  const restarted = await auth.sibling();
  t.teardown(() => restarted.lifecycle.stop('done'));
  await auth.store.audit.events.deleteMany({ _id: { $gt: 3 } });
  t.notThrows(() => auth.audit.chain.requireWhole());
  t.is(await brokenBy(auth), `Auth has seen 5:${head.hash}, which is gone or was changed`, 'it looks before it tells');
  t.is(await brokenBy(restarted), undefined, 'nothing that is kept tells of it');
  t.is(await brokenBy(auth, head), 'it ends at 3, and had 5');
  await auth.audit.chain.look();
  t.throws(() => auth.audit.chain.requireWhole(), { message: /^5:.*restart auth/ });
  await happenApart(auth, 2);
  t.is(await brokenBy(auth, head), '5 is another one than was noted');
  await auth.audit.chain.look();
  t.throws(() => auth.audit.chain.requireWhole(), { message: /^5:/ });
});

test.serial('what is older than is kept is cut off where Auth signed, and the rest is whole from there', async (t) => {
  let now = Date.now();
  const auth = await opened(t, { now: () => now });
  const { events, cuts } = auth.store.audit;
  await happenApart(auth, 3);
  const { head: early } = await checked(auth);
  now += 10 * DAY_MS;
  await happen(auth, 3);
  const { head: noted } = await checked(auth);
  await auth.audit.chain.cut(new Date(now - 20 * DAY_MS));
  t.is(await events.countDocuments(), 6, 'nothing is so old');
  await auth.audit.chain.look();
  await auth.audit.chain.cut(new Date(now - 5 * DAY_MS));
  await auth.audit.chain.cut(new Date(now - 5 * DAY_MS));
  t.deepEqual(await events.distinct('_id'), [4, 5, 6]);
  t.deepEqual(await checked(auth, noted), { events: 3, head: noted });
  t.deepEqual(await checked(auth, early), { events: 3, head: noted });
  t.regex((await brokenBy(auth, { sequence: 2, hash: 'x' })) ?? '', /begins behind 3, so 2 can not be compared/);
  await auth.audit.chain.look();
  t.notThrows(() => auth.audit.chain.requireWhole());

  // However old it is, the newest stays: the chain goes on behind it.
  now += 100 * DAY_MS;
  await auth.audit.chain.cut(new Date(now));
  t.deepEqual(await events.distinct('_id'), [4, 5, 6], 'and what was chained with it');
  await happen(auth, 1);
  await auth.audit.chain.chain();
  await auth.audit.chain.cut(new Date(now + DAY_MS));
  t.deepEqual(await events.distinct('_id'), [7]);
  t.like(await checked(auth, noted), { events: 1, broken: undefined });

  // Who cuts it himself has no signature for that.
  await happenApart(auth, 3);
  await events.deleteMany({ _id: { $lte: 8 } });
  t.is(await brokenBy(auth), '7 is missing');
  const eighth = await events.findOne({ _id: 9 });
  await events.deleteOne({ _id: 9 });
  if (eighth?.signature)
    await cuts.updateOne({ _id: 'cut' }, { $set: { sequence: 9, hash: eighth.hash, signature: eighth.signature } });
  t.is(await brokenBy(auth), '9 is not signed by Auth', 'a head is signed as a head');
});

test.serial(
  'a store whose clock was wrong for a while has nothing cut off that is not old, and keeps nothing for it',
  async (t) => {
    const day = Date.now();
    let now = day;
    const auth = await opened(t, { now: () => now });
    const { events } = auth.store.audit;
    const at = async (days: number): Promise<void> => {
      now = day + days * DAY_MS;
      await happenApart(auth, 1);
    };
    for (const days of [0, 900, 1, -500, 1]) await at(days);
    await auth.audit.chain.cut(new Date(now - 400 * DAY_MS));
    t.deepEqual(await events.distinct('_id'), [1, 2, 3, 4, 5]);
    await at(20);
    await auth.audit.chain.cut(new Date(now - 10 * DAY_MS));
    t.deepEqual(await events.distinct('_id'), [6]);
    t.is(await brokenBy(auth), undefined);
  },
);

/** Five events, of which the last is not old and the others are cut off; and these, as they were. */
async function cutToTheFifth(t: ExecutionContext) {
  let now = Date.now();
  const auth = await opened(t, { now: () => now });
  for (const count of [2, 2, 1]) {
    now += 10 * DAY_MS;
    await happenApart(auth, count);
  }
  const { events } = auth.store.audit;
  const all = await events.find().toArray();
  await auth.audit.chain.cut(new Date(now - DAY_MS));
  t.deepEqual(await events.distinct('_id'), [5]);
  return { auth, events, all, now };
}

test.serial('a process that keeps more, or whose clock is behind, takes back no cut', async (t) => {
  const { auth, events, all, now } = await cutToTheFifth(t);
  // What the first one has not come to yet.
  await events.insertMany(all.filter(({ _id }) => _id <= 2));
  await auth.audit.chain.cut(new Date(now - 15 * DAY_MS));
  t.deepEqual(await events.distinct('_id'), [5]);
  t.like(await checked(auth), { events: 1, broken: undefined });
});

test.serial('a cut that ends half-way leaves no gap, and is ended by the next', async (t) => {
  const { auth, events, all, now } = await cutToTheFifth(t);
  await events.insertMany(all.filter(({ _id }) => _id === 3 || _id === 4));
  t.like(await checked(auth), { events: 1, broken: undefined });
  await auth.audit.chain.cut(new Date(now - DAY_MS));
  t.deepEqual(await events.distinct('_id'), [5]);
});
