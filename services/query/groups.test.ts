import { randomUUID } from 'node:crypto';
import test from 'ava';
import { Turns } from '#platform/concurrency/turns.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { GroupState } from '#proto/musubi/group/v1/group.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { groupEvent, membershipEvent } from './group-events.fixture.ts';
import { project } from './projector.ts';
import { getGroup, listAncestors, listGroups } from './queries/groups.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL, below, FINDABLE, NOTHING, only } from './seen.fixture.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('query_groups');
const searches = newSearches();
const { turns } = searches;
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await project(db, [groupEvent('root', 1, { parentId: undefined, name: 'All' })]);
});
test.after.always(() => scratch.drop());

const INVITATION = { visibility: 'VISIBILITY_INVITATION' as const };
/** Groups under names of their own in one above them, which no other test has. */
async function tree(...given: [name: string, parent: string, state?: Partial<GroupState>][]) {
  const ids = new Map(['top', ...given.map(([name]) => name)].map((name) => [name, randomUUID()]));
  const id = (name: string): string => ids.get(name) ?? name;
  await project(db, [
    groupEvent(id('top'), 1, { name: 'top' }),
    ...given.map(([name, parent, state]) => groupEvent(id(name), 1, { name, parentId: id(parent), ...state })),
  ]);
  const gone = () =>
    project(
      db,
      [...ids.values()].map((one) => groupEvent(one, 100, undefined)),
    );
  return { id, gone };
}
const named = ({ groups }: { groups: { name: string }[] }): string => groups.map(({ name }) => name).join(' ');
const ask = {
  ...{ query: '', pageSize: 0, pageToken: '', filter: '', orderBy: '', memberId: 'm', seen: ALL },
  ...{ tag: '', ofMemberId: '', membersSeen: ALL },
};
type Asked = Partial<typeof ask> | { seen: Condition | undefined };
const list = (given: Asked = {}) => listGroups({ db, searches: newSearches() }, { ...ask, ...given });
const get = async (groupId: string, seen: Condition | undefined = ALL, seenGroups: Condition | undefined = seen) =>
  (await getGroup({ db, searches }, { memberId: 'm', groupId, seen, seenGroups, include: [], seenMembers: undefined })).group;
const sub = (
  groupId: string,
  given: { depth?: number; pageSize?: number; pageToken?: string; seen?: Condition; tag?: string } = {},
) =>
  listSubgroups(
    { db, turns },
    { memberId: 'm', groupId, depth: 0, pageSize: 0, pageToken: '', tag: '', filter: '', orderBy: '', seen: ALL, ...given },
  );
/** A set of tags of these names. */
const setOf = (...names: string[]) => names.map((name) => ({ name, ids: [randomUUID()] }));
const NOT_FOUND = { code: 'GROUP_NOT_FOUND' };

test.serial('a group is as its last event says, and gone after it was deleted', async (t) => {
  const { id } = await tree();
  const groupId = id('top');
  const archivedAt = new Date('2026-03-04T05:06:07.089Z');
  const state = {
    name: '開発部',
    description: 'd',
    visibility: 'VISIBILITY_REQUEST' as const,
    tags: setOf('b', 'a'),
    archivedAt,
  };
  await project(db, [groupEvent(groupId, 3, state)]);
  await project(db, [groupEvent(groupId, 2, { name: 'older' })]);
  t.deepEqual(await get(groupId), {
    groupId,
    parentId: 'root',
    ...state,
    tags: ['b', 'a'],
    carriedTags: [],
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    updatedAt: new Date('2026-01-02T03:04:05.681Z'),
    version: 3,
    subgroupCount: 0,
  });
  t.like(await get('root'), { parentId: undefined, archivedAt: undefined });
  await project(db, [groupEvent(groupId, 4, undefined), groupEvent(groupId, 3, state)]);
  for (const nobody of [groupId, '', '\0', randomUUID()]) {
    await t.throwsAsync(get(nobody), NOT_FOUND);
    await t.throwsAsync(sub(nobody), NOT_FOUND);
    await t.throwsAsync(listAncestors({ db, searches }, { memberId: 'm', groupId: nobody, seen: ALL }), NOT_FOUND);
  }
});

test.serial('a visibility that only a newer release knows is one of a group that is there', async (t) => {
  const { id, gone } = await tree(['new', 'top']);
  const event = groupEvent(id('new'), 2, { name: 'new', parentId: id('top') });
  (event.data as { group: { visibility: string } }).group.visibility = 'VISIBILITY_SECRET';
  await project(db, [event]);
  t.like(await get(id('new')), { visibility: 'VISIBILITY_SECRET' });
  await gone();
});

test.serial('groups are listed by name, a page at a time, each once, whatever is added meanwhile', async (t) => {
  const { id, gone } = await tree(['Éa', 'top'], ['eb', 'top'], ['b', 'top'], ['b2', 'b']);
  t.is(named(await list()), 'All b b2 Éa eb top');
  const first = await list({ pageSize: 3 });
  t.is(named(first), 'All b b2');
  await project(db, [groupEvent('added', 1, { name: 'aa' }), groupEvent('later', 1, { name: 'ec' })]);
  const rest = await list({ pageSize: 4, pageToken: first.nextPageToken });
  t.deepEqual([named(rest), rest.nextPageToken], ['Éa eb ec top', '']);
  await project(db, [groupEvent('added', 2, undefined), groupEvent('later', 2, undefined)]);
  for (const other of [{ tag: 't' }, { ofMemberId: 'm' }, { query: 'b' }])
    await t.throwsAsync(list({ ...other, pageToken: first.nextPageToken }), { code: 'PAGE_TOKEN_INVALID' });
  await t.throwsAsync(list({ pageSize: 101 }), { code: 'INVALID_ARGUMENT' });
  t.is(named(await list({ seen: undefined })), '');
  t.is(named(await list({ seen: only(id('b'), id('top')) })), 'b top');
  await gone();
});

test.serial('words are found in names as members are searched: of what they begin words of comes first', async (t) => {
  const { gone } = await tree(['Kyoto office', 'top'], ['Nagoya', 'top'], ['North', 'top'], ['ｷｮｳﾄ', 'top'], ['okyo', 'top']);
  t.is(named(await list({ query: 'NO' })), 'North');
  t.is(named(await list({ query: 'kyo' })), 'Kyoto office okyo');
  t.is(named(await list({ query: 'off KYO' })), 'Kyoto office');
  t.is(named(await list({ query: 'キョウト' })), 'ｷｮｳﾄ');
  t.is(named(await list({ query: '%' })), '');
  const { nextPageToken: pageToken } = await list({ query: 'kyo', pageSize: 1 });
  t.is(named(await list({ query: 'kyo', pageSize: 1, pageToken })), 'okyo');
  t.is(named(await list({ query: 'kyo', seen: NOTHING })), '');
  await gone();
});

test.serial('groups are found by a tag, however it is written, and by who is in them', async (t) => {
  const { id, gone } = await tree(
    ['a', 'top', { tags: setOf('Sales', 'Ａ') }],
    ['b', 'top', { tags: setOf('sales'), ...INVITATION }],
    ['c', 'top'],
  );
  t.is(named(await list({ tag: 'ＳＡＬＥＳ' })), 'a b');
  t.is(named(await list({ tag: 'sales', query: 'b' })), 'b');
  t.is(named(await list({ tag: 'sales', seen: FINDABLE })), 'a');
  t.is(named(await list({ tag: 'sale' })), '');
  t.is(named(await list({ tag: '\0' })), '');
  const memberId = randomUUID();
  await project(
    db,
    ['a', 'b', 'c'].map((name) => membershipEvent(id(name), memberId, 1)),
  );
  await project(db, [membershipEvent(id('c'), memberId, 2, false)]);
  t.is(named(await list({ ofMemberId: memberId })), 'a b');
  t.is(named(await list({ ofMemberId: memberId, seen: FINDABLE })), 'a');
  t.is(named(await list({ ofMemberId: randomUUID() })), '');
  t.is(named(await list({ ofMemberId: memberId, membersSeen: FINDABLE })), 'a', 'of which its members may be seen');
  t.is(named(await list({ ofMemberId: memberId, membersSeen: undefined })), '', 'who brings no condition sees none');
  t.is(named(await list({ query: 'b', ofMemberId: memberId, membersSeen: FINDABLE })), '', 'also where words are looked for');
  await gone();
});

test.serial('what is below a group: right below, so far, or all; what is above comes first', async (t) => {
  const { id, gone } = await tree(['b', 'top'], ['a', 'top'], ['b1', 'b'], ['a1', 'a'], ['b11', 'b1']);
  t.is(named(await sub(id('top'))), 'a b');
  t.is(named(await sub(id('top'), { depth: 2 })), 'a b a1 b1');
  t.is(named(await sub(id('top'), { depth: 100 })), 'a b a1 b1 b11');
  t.is(named(await sub('root', { depth: 100 })), 'top a b a1 b1 b11');
  t.is(named(await sub(id('b11'), { depth: 100 })), '');
  t.is((await get(id('top')))?.subgroupCount, 2);
  await t.throwsAsync(sub(id('top'), { depth: 101 }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(sub(id('top'), { pageSize: 10_001 }), { code: 'INVALID_ARGUMENT' });
  for (const depth of [1, 2, 100]) {
    const all = named(await sub(id('top'), { depth }));
    for (const pageSize of [1, 2, 3]) {
      const names: string[] = [];
      for (let pageToken = '', isFirst = true; isFirst || pageToken !== ''; isFirst = false) {
        const page = await sub(id('top'), { depth, pageSize, pageToken });
        names.push(named(page));
        pageToken = page.nextPageToken;
      }
      t.is(names.join(' '), all, `${depth} deep, pages of ${pageSize}`);
    }
  }
  const { nextPageToken: pageToken } = await sub(id('top'), { depth: 2, pageSize: 3 });
  const added = [id('b'), id('a'), id('a1')].map((parentId, n) => groupEvent(`${n}`, 1, { name: `a0${n}`, parentId }));
  await project(db, added);
  t.is(named(await sub(id('top'), { depth: 2, pageToken })), 'b1', 'neither hidden nor repeated');
  await t.throwsAsync(sub(id('top'), { depth: 3, pageToken }), { code: 'PAGE_TOKEN_INVALID' });
  await project(
    db,
    added.map(({ subject }) => groupEvent(subject, 2, undefined)),
  );
  await gone();
});

test.serial('a group that is moved is elsewhere at once, with all that is below it', async (t) => {
  const { id, gone } = await tree(['a', 'top'], ['b', 'top'], ['a1', 'a'], ['a11', 'a1']);
  await project(db, [groupEvent(id('a1'), 2, { name: 'a1', parentId: id('b') })]);
  t.is(named(await sub(id('b'), { depth: 100 })), 'a1 a11');
  t.is(named(await listAncestors({ db, searches }, { memberId: 'm', groupId: id('a11'), seen: ALL })), 'All top b a1');
  t.is(named(await list({ seen: below(id('b')) })), 'a1 a11 b');
  await gone();
});

test.serial('groups that events in another order put in a circle for a moment are looked up to an end', async (t) => {
  const { id, gone } = await tree(['a', 'c'], ['b', 'a'], ['c', 'b'], ['d', 'b']);
  t.is(named(await sub(id('a'), { depth: 100 })), 'b c d');
  t.is(named(await sub('root', { depth: 100 })), 'top');
  t.is(named(await listAncestors({ db, searches }, { memberId: 'm', groupId: id('a'), seen: ALL })), 'b c');
  t.is(
    named(await listAncestors({ db, searches }, { memberId: 'm', groupId: id('d'), seen: ALL }))
      .split(' ')
      .sort()
      .join(' '),
    'a b c',
  );
  t.is(named(await list({ seen: below(id('b')) })), 'a b c d');
  await project(db, [groupEvent(id('a'), 2, { name: 'a', parentId: id('a') })]);
  t.is(named(await sub(id('a'), { depth: 100 })), 'b c d');
  t.is(named(await sub(id('a'))), 'b');
  t.is(named(await listAncestors({ db, searches }, { memberId: 'm', groupId: id('a'), seen: ALL })), '');
  await gone();
});

test.serial('who may see some groups is told of no other, neither as a parent nor in a number', async (t) => {
  const { id, gone } = await tree(
    ['open', 'top'],
    ['hidden', 'top', INVITATION],
    ['inner', 'hidden'],
    ['deep', 'inner', INVITATION],
  );
  t.is(named(await sub(id('top'), { depth: 100, seen: FINDABLE })), 'open inner');
  t.is(named(await sub(id('top'), { seen: FINDABLE })), 'open');
  t.like(await get(id('top'), ALL, FINDABLE), { subgroupCount: 1, parentId: 'root' });
  t.like(await get(id('top')), { subgroupCount: 2 });
  const inner = (await sub(id('top'), { depth: 100, seen: FINDABLE })).groups[1];
  t.like(inner, { parentId: undefined, subgroupCount: 0 });
  t.like(await get(id('inner'), ALL, FINDABLE), { parentId: undefined });
  t.like(await get(id('inner')), { parentId: id('hidden'), subgroupCount: 1 });
  t.is(named(await listAncestors({ db, searches }, { memberId: 'm', groupId: id('deep'), seen: FINDABLE })), 'All top inner');
  await t.throwsAsync(get(id('hidden'), FINDABLE), NOT_FOUND);
  t.is(named(await list({ seen: FINDABLE })), 'All inner open top');
  t.is(named(await list({ seen: below(id('inner'), id('open')) })), 'deep inner open');
  t.is(named(await list({ seen: { kind: { $case: 'not', value: FINDABLE } } })), 'deep hidden');
  await gone();
});

test.serial('what does not fit into a message is on the next page', async (t) => {
  const names = Array.from({ length: 700 }, (_, n) => String(n).padStart(3, '0'));
  const { id, gone } = await tree(
    ...names.map((name): [string, string, Partial<GroupState>] => [name, 'top', { description: '界'.repeat(2_000) }]),
  );
  const first = await sub(id('top'), { depth: 2, pageSize: 10_000 });
  t.true(first.groups.length > 400 && first.groups.length < 600, String(first.groups.length));
  const rest = await sub(id('top'), { depth: 2, pageSize: 10_000, pageToken: first.nextPageToken });
  t.is([named(first), named(rest)].join(' '), names.join(' '));
  t.is(rest.nextPageToken, '');
  await gone();
});

test.serial('whole trees, and what is sought, take turns; what is right below a group waits for nobody', async (t) => {
  const { id, gone } = await tree();
  const at = id('top');
  const one = new Turns(1, { places: 1 });
  const held = Promise.withResolvers<void>();
  const holding = one.take(() => held.promise, { name: 'x' });
  const list = (depth: number, memberId: string, signal?: AbortSignal, sought: { tag?: string; filter?: string } = {}) =>
    listSubgroups(
      { db, turns: one },
      { groupId: at, depth, memberId, pageSize: 0, pageToken: '', tag: '', filter: '', orderBy: '', seen: ALL, ...sought },
      signal,
    );
  t.deepEqual((await list(1, 'a')).groups, []);
  const left = new AbortController();
  const waiting = list(2, 'a', left.signal);
  await t.throwsAsync(list(2, 'a'), { code: 'TOO_BUSY' });
  for (const sought of [{ tag: 'sales' }, { filter: 'visibility = "request"' }])
    await t.throwsAsync(list(1, 'a', undefined, sought), { code: 'TOO_BUSY' }, Object.keys(sought).join());
  left.abort();
  await t.throwsAsync(waiting, { code: 'CALLER_GONE' });
  const last = list(100, 'a');
  held.resolve();
  await holding;
  t.deepEqual((await last).groups, []);
  await gone();
});
