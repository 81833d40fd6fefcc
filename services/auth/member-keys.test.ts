import { randomUUID } from 'node:crypto';
import test from 'ava';
import { transaction } from '#platform/operations/mongo.ts';
import { openTestAuth, type TestAuth } from './auth.fixture.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const sealed = async (memberId: string, text: string, by = auth): Promise<string> => {
  const word = await by.store.memberKeys.seal(memberId, text);
  if (word === undefined) throw new Error('it was erased');
  return word;
};
const destroy = (memberId: string): Promise<boolean> =>
  transaction(auth.store.mongo, (session) => auth.store.memberKeys.destroy(session, memberId));
const documents = () => auth.store.mongo.db.collection<{ _id: string }>('member_keys');

test('what one process seals another one opens, each text by the key of its member, and in order', async (t) => {
  const other = await auth.sibling();
  t.teardown(() => other.lifecycle.stop('done'));
  const [hana, taro] = [randomUUID(), randomUUID()];
  const texts = [
    { memberId: hana, sealed: await sealed(hana, '192.0.2.1') },
    { memberId: taro, sealed: await sealed(taro, '192.0.2.2', other) },
    { memberId: hana, sealed: await sealed(hana, '192.0.2.3', other) },
    { memberId: '', sealed: await sealed('', '192.0.2.4') },
  ];
  t.deepEqual(await other.store.memberKeys.open(texts), ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']);
  t.deepEqual(await auth.store.memberKeys.open([]), []);
});

test('two processes that need the first key of a member at once use the same', async (t) => {
  const other = await auth.sibling();
  t.teardown(() => other.lifecycle.stop('done'));
  for (let round = 0; round < 10; round++) {
    const memberId = randomUUID();
    const words = await Promise.all([auth, other, auth, other].map((by) => sealed(memberId, 'text', by)));
    t.deepEqual(
      await auth.store.memberKeys.open(words.map((word) => ({ memberId, sealed: word }))),
      words.map(() => 'text'),
    );
  }
});

test('the key is kept sealed: neither it nor the text can be read where they are kept', async (t) => {
  const memberId = randomUUID();
  const word = await sealed(memberId, '192.0.2.77');
  const kept = JSON.stringify(await documents().findOne({ _id: memberId }));
  for (const text of [word, kept, Buffer.from(word.split('.')[2] ?? '', 'base64').toString('latin1')])
    t.false(text.includes('192.0.2.77'));
  const stranger = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => stranger.close());
  const document = await documents().findOne({ _id: memberId });
  if (document) await stranger.store.mongo.db.collection<{ _id: string }>('member_keys').insertOne(document);
  await t.throwsAsync(stranger.store.memberKeys.open([{ memberId, sealed: word }]), undefined, 'another master key');
});

test('what was sealed for one member, or was changed, does not open', async (t) => {
  const [hana, taro] = [randomUUID(), randomUUID()];
  const word = await sealed(hana, 'text');
  await sealed(taro, 'text');
  await t.throwsAsync(auth.store.memberKeys.open([{ memberId: taro, sealed: word }]));
  await t.throwsAsync(auth.store.memberKeys.open([{ memberId: hana, sealed: `${word.slice(0, -4)}AAA=` }]));
});

test('a key that was destroyed opens nothing, and the member never gets another one', async (t) => {
  const other = await auth.sibling();
  t.teardown(() => other.lifecycle.stop('done'));
  const memberId = randomUUID();
  const before = await sealed(memberId, 'text');
  await sealed(memberId, 'text', other);
  t.true(await destroy(memberId));
  t.false(await destroy(memberId), 'it can be done twice');
  t.is(await auth.store.memberKeys.seal(memberId, 'text'), undefined);
  // The other process remembers the key for a while: what it seals is erased all the same.
  const after = await sealed(memberId, 'text', other);
  const third = await auth.sibling();
  t.teardown(() => third.lifecycle.stop('done'));
  t.is(await third.store.memberKeys.seal(memberId, 'text'), undefined);
  for (const each of [auth, other, third])
    t.deepEqual(await each.store.memberKeys.open([before, after].map((word) => ({ memberId, sealed: word }))), [null, null]);
  t.false(JSON.stringify(await documents().findOne({ _id: memberId })).includes('tag'));
});

test('the key of a member that has none is destroyed as well, and one whose end is undone is as before', async (t) => {
  const [never, kept] = [randomUUID(), randomUUID()];
  t.false(await destroy(never));
  t.is(await auth.store.memberKeys.seal(never, 'text'), undefined);
  const word = await sealed(kept, 'text');
  const undone = transaction(auth.store.mongo, async (session) => {
    await auth.store.memberKeys.destroy(session, kept);
    throw new Error('undone');
  });
  await t.throwsAsync(undone, { message: 'undone' });
  t.deepEqual(await auth.store.memberKeys.open([{ memberId: kept, sealed: word }]), ['text']);
  t.not(await auth.store.memberKeys.seal(kept, 'text'), undefined);
});
