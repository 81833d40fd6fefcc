import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_CARRIED, MOST_TAG_IDS, MOST_TAGS, ROOT } from '#platform/validation/group-fields.ts';
import { call, job } from '../group.fixture.ts';
import { openTestTags } from './tags.fixture.ts';

const {
  db,
  service,
  begin,
  beginChange,
  change,
  commitTag,
  put,
  takeOff,
  createGroup,
  groupOf,
  membershipOf,
  eventsOf,
  namesOf,
  carried,
  ground,
  undo,
  close,
} = await openTestTags('tags');
test.after.always(close);

test("tags come into a group's own set and go; what is so already is not told", async (t) => {
  const groupId = await createGroup({ tags: ['b'] });
  await change(groupId, 'PUT', ' Ａ ');
  t.deepEqual(await namesOf(groupId), ['b', 'Ａ']);
  await change(groupId, 'PUT', 'a');
  await change(groupId, 'REMOVE', 'c');
  t.deepEqual(await namesOf(groupId), ['b', 'Ａ']);
  t.deepEqual(await eventsOf(groupId), ['group.created 1', 'group.updated 2']);
  t.like(await groupOf(groupId), { version: 2, lockHolder: null, pending: null });
  const [told] = await db.query<{ payload: unknown }>(
    sql`select payload from outbox where aggregateid = ${groupId} and version = 2`,
  );
  const tags = [
    { name: 'b', ids: [`${groupId}.1.0`] },
    { name: 'Ａ', ids: [`${groupId}.2.0`] },
  ];
  t.like(told?.payload, { group: { tags } });
  await change(groupId, 'REMOVE', 'A');
  t.deepEqual(await namesOf(groupId), ['b']);
  await change(ROOT, 'PUT', 'of all');
  t.deepEqual(await namesOf(ROOT), ['of all']);
});

test('a change of the set shows nothing until it is committed, and nothing at all when it is undone', async (t) => {
  const [groupId, at] = [await createGroup({ tags: ['a'] }), job()];
  const before = await groupOf(groupId);
  await beginChange(groupId, 'RENAME', 'a', { name: 'b' }, at);
  t.deepEqual(await namesOf(groupId), ['a']);
  await undo(at.of('begin'));
  t.deepEqual(await groupOf(groupId), before);
  await t.throwsAsync(beginChange(randomUUID(), 'PUT', 'a'), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(
    service.beginChangeTags(
      { operationId: job().of('x'), groupId, change: 'TAGS_CHANGE_UNSPECIFIED', tag: 'a', name: undefined, merge: false },
      call,
    ),
    { code: 'INVALID_ARGUMENT' },
  );
});

test('a tag is put on groups right below and on members, each told by itself, and taken off', async (t) => {
  const { groupId, subgroupId, memberId, on } = await ground('a', 'b');
  t.deepEqual(await put(groupId, 'Ａ', { subgroupId }), { type: 'group', id: subgroupId, version: 2 });
  t.deepEqual(await put(groupId, 'a', { memberId }), { type: 'membership', id: `${groupId}.${memberId}`, version: 2 });
  for (const one of on) {
    await put(groupId, 'b', one);
    t.deepEqual(await carried(groupId, one), ['a', 'b']);
    const { version } = (await put(groupId, 'B', one)) ?? {};
    t.is(version, 3, 'it is on it already');
    await takeOff(groupId, 'A', one);
    t.deepEqual(await carried(groupId, one), ['b']);
    await takeOff(groupId, 'a', one);
    t.is((await takeOff(groupId, 'unknown', one))?.version, 4);
  }
  t.deepEqual(await eventsOf(subgroupId), ['group.created 1', 'group.updated 2', 'group.updated 3', 'group.updated 4']);
  t.deepEqual(await eventsOf(`${groupId}.${memberId}`), ['membership.changed 2', 'membership.changed 3', 'membership.changed 4']);
  const [told] = await db.query<{ payload: unknown }>(
    sql`select payload from outbox where aggregateid = ${`${groupId}.${memberId}`} and version = 4`,
  );
  t.like(told?.payload, { membership: { tagIds: [`${groupId}.1.1`] } });
  t.like(await membershipOf(groupId, memberId), { lockHolder: null, pending: null });
  t.deepEqual(await eventsOf(groupId), ['group.created 1'], 'its set is the same');
});

test('a tag that gets another name keeps what it is on; nothing else is written', async (t) => {
  const { groupId, subgroupId, memberId, on } = await ground('a', 'b');
  for (const one of on) await put(groupId, 'a', one);
  const before = [await groupOf(subgroupId), await membershipOf(groupId, memberId)];
  await change(groupId, 'RENAME', 'A', { name: ' c ' });
  t.deepEqual(await namesOf(groupId), ['b', 'c']);
  await change(groupId, 'RENAME', 'c', { name: 'Ｃ' });
  t.deepEqual(await namesOf(groupId), ['b', 'Ｃ'], 'another form of its own name is no other tag');
  for (const one of on) t.deepEqual(await carried(groupId, one), ['Ｃ']);
  await t.throwsAsync(beginChange(groupId, 'RENAME', 'a', { name: 'd' }), { code: 'TAG_NOT_FOUND' });
  await t.throwsAsync(begin.tag(groupId, 'a', { memberId }), { code: 'TAG_NOT_FOUND' });
  await change(groupId, 'PUT', 'a');
  for (const one of on) t.deepEqual(await carried(groupId, one), ['Ｃ'], 'it is another tag');
  t.deepEqual([await groupOf(subgroupId), await membershipOf(groupId, memberId)], before);
});

test('two tags become one, on all that either was on, only if that is asked for; nothing else is written', async (t) => {
  const { groupId, subgroupId, memberId } = await ground('a', 'b', 'c');
  await put(groupId, 'a', { subgroupId });
  await put(groupId, 'b', { subgroupId });
  await put(groupId, 'a', { memberId });
  const before = [await groupOf(subgroupId), await membershipOf(groupId, memberId)];
  const refused = await t.throwsAsync(beginChange(groupId, 'RENAME', 'a', { name: 'Ｂ' }));
  t.like(refused, { code: 'TAG_EXISTS', fields: [{ field: 'name' }] });
  await change(groupId, 'RENAME', 'a', { name: 'B', merge: true });
  t.deepEqual((await groupOf(groupId))?.tags, [
    { name: 'B', ids: [`${groupId}.1.1`, `${groupId}.1.0`] },
    { name: 'c', ids: [`${groupId}.1.2`] },
  ]);
  t.deepEqual([await groupOf(subgroupId), await membershipOf(groupId, memberId)], before);
  t.deepEqual(await carried(groupId, { subgroupId }), ['B']);
  t.deepEqual(await carried(groupId, { memberId }), ['B']);
  t.is((await put(groupId, 'b', { memberId }))?.version, 2, 'it is on it already, by the ID of the other');
  await put(groupId, 'c', { subgroupId });
  t.deepEqual((await groupOf(subgroupId))?.tagIds, [`${groupId}.1.1`, `${groupId}.1.2`], 'one ID of each is left');
  await takeOff(groupId, 'b', { memberId });
  t.deepEqual((await membershipOf(groupId, memberId))?.tagIds, null);
  await change(groupId, 'RENAME', 'c', { name: 'd', merge: true });
  t.deepEqual(await namesOf(groupId), ['B', 'd'], 'where there is none to become one with, it is renamed');
});

test('a tag that is gone is on nothing; one of the same name that comes later is on nothing either', async (t) => {
  const { groupId, subgroupId, on } = await ground('a', 'b');
  for (const one of on) await put(groupId, 'a', one);
  await change(groupId, 'REMOVE', 'a');
  await change(groupId, 'PUT', 'a');
  for (const one of on) {
    t.deepEqual(await carried(groupId, one), []);
    await put(groupId, 'b', one);
    t.deepEqual(await carried(groupId, one), ['b']);
  }
  t.deepEqual((await groupOf(subgroupId))?.tagIds, [`${groupId}.1.1`], 'what is no tag any more is dropped with the next change');
});

test('only groups right below carry a tag, and only members who are in the group', async (t) => {
  const { groupId, subgroupId } = await ground('a');
  const [below, elsewhere] = [await createGroup({ parentId: subgroupId }), await createGroup()];
  for (const one of [below, elsewhere, groupId])
    await t.throwsAsync(begin.tag(groupId, 'a', { subgroupId: one }), { code: 'NOT_SUBGROUP' });
  await t.throwsAsync(begin.tag(groupId, 'a', { subgroupId: ROOT }), { code: 'ROOT_GROUP' });
  await t.throwsAsync(begin.tag(groupId, 'a', { subgroupId: randomUUID() }), { code: 'GROUP_NOT_FOUND' });
  for (const isOn of [true, false])
    await t.throwsAsync(begin.tag(groupId, 'a', { memberId: randomUUID() }, isOn), { code: 'NOT_MEMBER' });
  await t.throwsAsync(begin.tag(randomUUID(), 'a', { memberId: randomUUID() }), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(begin.tag(groupId, 'a', { memberId: 'x' }), { code: 'INVALID_ARGUMENT' });
  for (const carrier of [{ memberId: undefined }, { memberId: randomUUID(), subgroupId }])
    await t.throwsAsync(begin.tag(groupId, 'a', carrier), { code: 'INVALID_ARGUMENT' });
  const memberId = randomUUID();
  await service.enterOrganisation({ operationId: job().of('enter'), memberId }, call);
  await change(ROOT, 'PUT', 'new');
  await put(ROOT, 'new', { memberId });
  t.deepEqual(await carried(ROOT, { memberId }), ['new'], 'everybody is in the whole organisation');
});

for (const [what, tag] of [
  ['nothing', ''],
  ['blanks', ' \u3000 '],
  ['51 characters', 'あ'.repeat(51)],
  ['10,000 characters', 'a'.repeat(10_000)],
  ['zero-width characters', 'a\u200bb'],
  ['a change of direction', '\u202eevil'],
  ['two lines', 'a\nb'],
  ['half a character', 'a\ud800'],
  ['what clients leave out of paths', '..'],
  ['the same with blanks', ' . '],
] as const)
  test(`no tag: ${what}`, async (t) => {
    const { groupId, memberId } = await ground('a');
    const refused = { code: 'INVALID_GROUP' };
    for (const one of ['PUT', 'REMOVE', 'RENAME'] as const)
      t.like(await t.throwsAsync(beginChange(groupId, one, tag, { name: 'b' })), { ...refused, fields: [{ field: 'tag' }] });
    const renaming = beginChange(groupId, 'RENAME', 'a', { name: tag });
    t.like(await t.throwsAsync(renaming), { ...refused, fields: [{ field: 'name' }] });
    t.like(await t.throwsAsync(begin.tag(groupId, tag, { memberId })), { ...refused, fields: [{ field: 'tag' }] });
    t.like(await t.throwsAsync(begin.create({ tags: [tag] })), { ...refused, fields: [{ field: 'tags[0]' }] });
  });

test('tags of 50 characters, from right to left, with a slash, a colon or a dot, and the same after normalisation', async (t) => {
  const { groupId, memberId } = await ground();
  for (const tag of ['あ'.repeat(50), '\ufdfa'.repeat(50), 'תג חדש', 'a/b', 'a:rename', '...', '50%', '👩‍👩‍👧‍👦']) {
    await change(groupId, 'PUT', tag);
    await put(groupId, tag, { memberId });
    t.true((await carried(groupId, { memberId })).includes(tag), tag);
  }
  for (const [tag, same] of [
    ['が', 'か\u3099'],
    ['ﾃﾞｻﾞｲﾝ', 'デザイン'],
    ['H\u0331', '\u1e96'],
  ] as const) {
    await change(groupId, 'PUT', tag);
    const count = (await namesOf(groupId))?.length;
    await change(groupId, 'PUT', same);
    t.is((await namesOf(groupId))?.length, count, same);
    await change(groupId, 'REMOVE', same);
    t.is((await namesOf(groupId))?.length, (count ?? 0) - 1, same);
  }
});

test('a set has so many tags, and something carries so many, and not one more', async (t) => {
  const tags = Array.from({ length: MOST_TAGS }, (_, index) => `t${index}`);
  const { groupId, on } = await ground(...tags);
  await t.throwsAsync(beginChange(groupId, 'PUT', 'one more'), { code: 'TOO_MANY_TAGS' });
  await t.notThrowsAsync(change(groupId, 'PUT', 't7'));
  for (const one of on) {
    for (const tag of tags.slice(0, MOST_CARRIED)) await put(groupId, tag, one);
    await t.throwsAsync(begin.tag(groupId, 't99', one), { code: 'TOO_MANY_TAGS' });
    await t.notThrowsAsync(put(groupId, 't0', one));
    t.is((await carried(groupId, one)).length, MOST_CARRIED);
  }
  await change(groupId, 'RENAME', 't0', { name: 't1', merge: true });
  for (const one of on) await t.notThrowsAsync(put(groupId, 't99', one), 'two of them are one now');
});

test('tags have so many IDs in all: of more, those are dropped that nothing carries', async (t) => {
  const { groupId, subgroupId, memberId } = await ground('a', 'b', 'c', 'd');
  await put(groupId, 'a', { subgroupId });
  await put(groupId, 'b', { memberId });
  const putting = job();
  await begin.tag(groupId, 'c', { subgroupId }, true, putting);
  const many = [
    { name: 'd', ids: Array.from({ length: MOST_TAG_IDS - 4 }, (_, index) => `${groupId}.0.${index}`) },
    ...['a', 'b', 'c', 'e'].map((name, index) => ({ name, ids: [`${groupId}.1.${index}`] })),
  ];
  const fill = () => db.query(sql`update groups set tags = ${JSON.stringify(many)}::jsonb where group_id = ${groupId}`);
  await fill();
  const idsOf = async () => ((await groupOf(groupId))?.tags ?? []).flatMap(({ ids }) => ids);
  for (const tag of ['a', 'b', 'c']) await change(groupId, 'RENAME', tag, { name: 'd', merge: true });
  t.is((await idsOf()).length, MOST_TAG_IDS);
  await change(groupId, 'PUT', 'f');
  t.deepEqual((await idsOf()).sort(), [
    `${groupId}.0.0`,
    ...[0, 1, 2, 3].map((index) => `${groupId}.1.${index}`),
    `${groupId}.5.0`,
  ]);
  await commitTag(putting);
  t.deepEqual(await carried(groupId, { subgroupId }), ['d'], 'also what was only about to carry one');
  t.deepEqual(await carried(groupId, { memberId }), ['d']);
  await fill();
  await db.query(sql`update groups set tag_ids = ${many.flatMap(({ ids }) => ids)}::text[] where group_id = ${subgroupId}`);
  await t.throwsAsync(beginChange(groupId, 'PUT', 'f'), { code: 'TOO_MANY_TAGS' });
});
