import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { GROUP_LIST, GROUP_MEMBER_LIST } from '#platform/validation/group-lists.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { Tag } from '#proto/musubi/group/v1/group.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { memberEvent } from './events.fixture.ts';
import { groupEvent, membershipEvent } from './group-events.fixture.ts';
import { groupMembers } from './group-member-store.ts';
import { allGroups, seekSeenTag } from './group-store.ts';
import { listingOf } from './listing.ts';
import { project } from './projector.ts';
import { listGroupMembers } from './queries/group-members.ts';
import { getGroup, listGroups } from './queries/groups.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL, FINDABLE, NOTHING, only } from './seen.fixture.ts';
import { openStore } from './store.ts';

// Tags, as they are read: what carries an ID carries what the set of the group that it is in calls so, at that moment.

const scratch = scratchDatabase('query_tags');
const searches = newSearches();
const { turns } = searches;
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const page = { pageSize: 0, pageToken: '', filter: '', orderBy: '' };
const named = ({ groups }: { groups: { name: string }[] }): string => groups.map(({ name }) => name).join(' ');
interface Asked {
  seen?: Condition;
  pageSize?: number;
  pageToken?: string;
}
const found = (tag: string, given: Asked = {}) =>
  listGroups(
    { db, searches: newSearches() },
    { query: '', ...page, memberId: 'm', seen: ALL, tag, ofMemberId: '', membersSeen: undefined, ...given },
  );
const below = (groupId: string, tag: string, given: Asked & { depth?: number } = {}) =>
  listSubgroups({ db, turns }, { memberId: 'm', groupId, depth: 1, ...page, seen: ALL, tag, ...given });
const members = (groupId: string, tag: string, given: Asked = {}) =>
  listGroupMembers({ db, searches }, { memberId: 'm', groupId, positionId: '', ...page, seen: ALL, tag, ...given });
const tagsOf = async (groupId: string, seenGroups: Condition = ALL) => {
  const { group } = await getGroup(
    { db, searches },
    { memberId: 'm', groupId, seen: ALL, seenGroups, include: [], seenMembers: undefined },
  );
  return { tags: group?.tags, carriedTags: group?.carriedTags };
};
const tag = (name: string, ...ids: string[]): Tag => ({ name, ids });
const membersNamed = (answer: Awaited<ReturnType<typeof members>>): string =>
  answer.members.map(({ member }) => member?.displayName).join(' ');

/** A group `top`, with `sub` in it and `deep` in that, and a member of the group. */
async function ground() {
  const [top, sub, deep, member] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const state = { visibility: 'VISIBILITY_INVITATION' as const };
  /** What `top` has for a set, and what the others carry of it. */
  const set = (version: number, ...tags: Tag[]) => project(db, [groupEvent(top, version, { name: 'top', tags, ...state })]);
  const put = (version: number, ...tagIds: string[]) =>
    project(db, [groupEvent(sub, version, { name: 'sub', parentId: top, tagIds })]);
  const putOnMember = (version: number, ...tagIds: string[]) =>
    project(db, [membershipEvent(top, member, version, true, tagIds)]);
  await set(1);
  await put(1);
  await putOnMember(1);
  await project(db, [groupEvent(deep, 1, { name: 'deep', parentId: sub }), memberEvent(member, 1, { displayName: 'ann' })]);
  return { top, sub, deep, member, set, put, putOnMember };
}

test('a group and a member carry what the set calls what they carry, in the order of the set', async (t) => {
  const { top, sub, set, put, putOnMember } = await ground();
  const [a, b, gone] = [randomUUID(), randomUUID(), randomUUID()];
  await put(2, b, gone, a);
  await putOnMember(2, b);
  t.deepEqual(await tagsOf(sub), { tags: [], carriedTags: [] }, 'the set comes later');
  await set(2, tag('Alpha', a), tag('beta', b));
  t.deepEqual(await tagsOf(sub), { tags: [], carriedTags: ['Alpha', 'beta'] });
  t.deepEqual(await tagsOf(top), { tags: ['Alpha', 'beta'], carriedTags: [] });
  t.deepEqual((await below(top, '')).groups[0]?.carriedTags, ['Alpha', 'beta']);
  t.deepEqual((await members(top, '')).members[0]?.tags, ['beta']);
  await set(3, tag('Gamma', b, a));
  t.deepEqual(await tagsOf(sub), { tags: [], carriedTags: ['Gamma'] }, 'two that became one');
  await set(4);
  t.deepEqual(await tagsOf(sub), { tags: [], carriedTags: [] });
  t.deepEqual((await members(top, '')).members[0]?.tags, []);
});

test('groups are found by what they carry and by their own set, however that is written; those below by what they carry', async (t) => {
  const { top, sub, deep, set, put } = await ground();
  const word = randomUUID();
  const [id, own] = [randomUUID(), randomUUID()];
  await set(2, tag(`Ａ${word}`, id));
  await put(2, id);
  await project(db, [groupEvent(deep, 2, { name: 'deep', parentId: sub, tags: [tag(`a${word}`, own)] })]);
  t.is(named(await found(`A${word.toUpperCase()}`)), 'deep sub top');
  t.is(named(await below(top, `a${word}`)), 'sub');
  t.is(named(await below(top, `a${word}`, { depth: 5 })), 'sub', 'what has it in its own set does not carry it');
  await project(db, [
    groupEvent(sub, 3, { name: 'sub', parentId: top, tagIds: [id], tags: [tag(`Ａ${word}`, own)] }),
    groupEvent(deep, 3, { name: 'deep', parentId: sub, tagIds: [own] }),
  ]);
  t.is(named(await below(top, `a${word}`, { depth: 5 })), 'sub deep');
  t.is(named(await below(sub, `a${word}`)), 'deep');
  t.is(named(await found(word)), '');
  for (const nothing of ['\0', `b${word}`]) {
    t.is(named(await found(nothing)), '');
    t.is(named(await below(top, nothing)), '');
    t.is(membersNamed(await members(top, nothing)), '');
  }
  const first = await below(top, `a${word}`, { depth: 5, pageSize: 1 });
  t.is(named(await below(top, `Ａ${word}`, { depth: 5, pageToken: first.nextPageToken })), 'deep');
  const { nextPageToken: pageToken } = await below(top, '', { depth: 5, pageSize: 1 });
  await t.throwsAsync(below(top, `a${word}`, { depth: 5, pageToken }), { code: 'PAGE_TOKEN_INVALID' });
});

test('names are the same by the rule by which a set has them once', async (t) => {
  const { top, sub, set, put, putOnMember } = await ground();
  const [id, word] = [randomUUID(), randomUUID()];
  await put(2, id);
  await putOnMember(2, id);
  // What two of them are only once they are in lower case.
  await set(2, tag(`H\u0331${word}`, id));
  for (const same of [`h\u0331${word}`, `\u1e96${word}`, ` Ｈ\u0331${word} `]) {
    t.is(named(await found(same)), 'sub top');
    t.is(named(await below(top, same)), 'sub');
    t.is(membersNamed(await members(top, same)), 'ann');
  }
  t.is(named(await below(sub, `H\u0331${word}`)), '');
});

test("who does not see the group whose tag it is does not see the tag, and finds nothing by it; of members only the group's own count", async (t) => {
  const { top, sub, member, set, put, putOnMember } = await ground();
  const [id, other, word] = [randomUUID(), randomUUID(), randomUUID()];
  await put(2, id);
  await putOnMember(2, other);
  await set(2, tag(word, id));
  await project(db, [groupEvent(randomUUID(), 1, { name: 'elsewhere', tags: [tag(word, other)] })]);
  for (const seen of [FINDABLE, only(sub)]) {
    t.deepEqual((await tagsOf(sub, seen)).carriedTags, []);
    t.is(named(await found(word, { seen })), seen === FINDABLE ? 'elsewhere' : '');
    t.is(named(await below(top, word, { seen })), '');
  }
  t.is(named(await found(word, { seen: only(sub, top) })), 'sub top');
  t.is(named(await found(word, { seen: NOTHING })), '');
  t.is(membersNamed(await members(top, word)), '');
  await putOnMember(3, id);
  t.is(membersNamed(await members(top, word)), 'ann');
  t.is(membersNamed(await members(top, word, { seen: only(member) })), 'ann');
  t.is(membersNamed(await members(top, word, { seen: NOTHING })), '');
  const second = randomUUID();
  await project(db, [memberEvent(second, 1, { displayName: 'Bob' }), membershipEvent(top, second, 1, true, [id])]);
  const { nextPageToken: pageToken } = await members(top, word, { pageSize: 1 });
  t.is(membersNamed(await members(top, word.toUpperCase(), { pageToken })), 'Bob');
  await t.throwsAsync(members(top, '', { pageToken }), { code: 'PAGE_TOKEN_INVALID' });
  await project(db, [groupEvent(top, 3, undefined)]);
  t.deepEqual((await tagsOf(sub)).carriedTags, [], 'what is gone has no set');
  t.is(named(await found(word)), 'elsewhere');
});

test('after a tag is renamed, 10,000 groups and 10,000 members are found by its new name at once, and none by the old one', async (t) => {
  const { top, set } = await ground();
  const [id, old, other] = [randomUUID(), randomUUID(), randomUUID()];
  const [before, after, merged] = [randomUUID(), randomUUID(), randomUUID()];
  const size = 10_000;
  await db.query(sql`
    insert into groups (id, version, parent_id, name, description, visibility, tags, tag_keys, tag_set, tag_ids, search, created_at, updated_at)
    select ${`${top}-`} || n, 1, ${top}, 'g' || lpad(n::text, 5, '0'), '', 'VISIBILITY_OPEN', '{}', '{}', '[]', array[${id}], '', now(), now()
    from generate_series(1, ${size}) n`);
  await db.query(sql`
    with made as (insert into members (id, version, visible, login_id, display_name, email, search, created_at, updated_at)
      select ${`${top}-m`} || n, 1, true, 'l' || n, 'm' || lpad(n::text, 5, '0'), '', '', now(), now() from generate_series(1, ${size}) n
      returning id)
    insert into memberships (id, version, group_id, member_id, joined_at, tag_ids)
    select ${`${top}.`} || id, 1, ${top}, id, now(), array[${id}] from made`);
  await db.query(sql`vacuum analyze`);
  const state = async () => {
    const [row] = await db.query(sql`
      select (select md5(string_agg(t::text, '' order by id)) from groups t where parent_id = ${top}) as groups,
        (select md5(string_agg(s::text, '' order by id)) from memberships s where group_id = ${top}) as memberships`);
    return row;
  };
  /** How many of each are found: groups below, members, and groups anywhere but the one whose tag it is. */
  const counted = async (name: string): Promise<number[]> => {
    const page = { seen: ALL, after: undefined, limit: size + 2 };
    const byName = { filter: '', orderBy: '' };
    const tag = await seekSeenTag(db, name, ALL);
    const [{ groups }, people, anywhere] = await Promise.all([
      below(top, name, { pageSize: size }),
      groupMembers(db, { groupId: top, tag, listing: listingOf(byName, GROUP_MEMBER_LIST), ...page }),
      allGroups(db, { tag, ofMemberId: '', listing: listingOf(byName, GROUP_LIST), ...page }),
    ]);
    return [groups.length, people.length, anywhere.filter(({ groupId }) => groupId !== top).length];
  };
  await set(2, tag(before, id), tag(old, other));
  const written = await state();
  t.deepEqual(await counted(before), [size, size, size]);
  await set(3, tag(after, id), tag(old, other));
  t.deepEqual(await counted(before), [0, 0, 0]);
  t.deepEqual(await counted(after), [size, size, size]);
  await set(4, tag(merged, other, id));
  t.deepEqual(await counted(merged), [size, size, size]);
  for (const none of [after, old]) t.deepEqual(await counted(none), [0, 0, 0]);
  t.deepEqual((await below(top, merged, { pageSize: 1 })).groups[0]?.carriedTags, [merged]);
  t.deepEqual((await members(top, merged, { pageSize: 1 })).members[0]?.tags, [merged]);
  t.deepEqual(await state(), written, 'nothing of them was written');
});

test.serial(
  'a tag of a name that is in more sets than are looked for by their IDs is found where it is carried, by who sees the set',
  async (t) => {
    const key = `everywhere ${randomUUID()}`;
    const [seen, hidden, carrier, other, empty] = [randomUUID(), randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await db.query(sql`
    insert into groups (id, version, parent_id, name, description, visibility, tags, tag_keys, tag_set, tag_ids, search, created_at, updated_at)
    select ${`${key}-`} || n, 1, 'root', 'z' || n, '', 'VISIBILITY_OPEN', array[${key}], array[${key}],
      jsonb_build_array(jsonb_build_object('name', ${key}::text, 'key', ${key}::text, 'ids', jsonb_build_array(${key} || n))), '{}', '', now(), now()
    from generate_series(1, 999) n`);
    const set = [tag(key, `${key}-tag`)];
    await project(db, [
      groupEvent(seen, 1, { name: 'seen', tags: set }),
      groupEvent(carrier, 1, { name: 'a', parentId: seen, tagIds: [`${key}-tag`] }),
      groupEvent(empty, 1, { name: 'b', parentId: seen }),
    ]);
    const askAll = () => Promise.all([found(key, { pageSize: 3 }), below(seen, key, { depth: 2 })]);
    const few = await askAll();
    t.truthy((await seekSeenTag(db, key, ALL)).ids);
    await project(db, [
      groupEvent(hidden, 1, { name: 'hidden', tags: [tag(key, `${key}-hidden`)], visibility: 'VISIBILITY_INVITATION' }),
      groupEvent(other, 1, { name: 'aa', parentId: hidden, tagIds: [`${key}-hidden`] }),
    ]);
    t.is((await seekSeenTag(db, key, ALL)).ids, undefined);
    t.is(named((await askAll())[0]), 'a aa hidden');
    t.deepEqual((await askAll())[1], few[1]);
    t.is(named(few[1]), 'a');
    t.is(named(await found(key, { pageSize: 3, seen: FINDABLE })), 'a seen z1', 'its set is hidden');
    await project(db, [membershipEvent(seen, randomUUID(), 1)]);
    t.deepEqual((await seekSeenTag(db, '\0', ALL)).ids, []);
  },
);
