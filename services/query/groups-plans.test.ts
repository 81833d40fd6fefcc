import test from 'ava';
import { type Database, type Query, sql } from '#platform/postgres/database.ts';
import { GROUP_LIST, GROUP_MEMBER_LIST } from '#platform/validation/group-lists.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { groupMembersPage } from './group-member-store.ts';
import { groupsPage, subgroupsPage } from './group-store.ts';
import { listingOf } from './listing.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL, below, FINDABLE } from './seen.fixture.ts';
import { openStore } from './store.ts';

// How the database finds what is read of groups, among 10,000 of them, up to ten within each other, and 20,000 members. Half of the groups
// and all members carry a tag by the ID "many", and some another one, "few".

const scratch = scratchDatabase('groups_plans');
const { turns } = newSearches();
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await db.query(sql`
    insert into groups (id, version, parent_id, name, description, visibility, tags, tag_keys, tag_set, tag_ids, search, created_at, updated_at)
    select case when n = 1 then 'root' else 'g' || n end, 1,
      case when n = 1 then null when n <= 4 then 'root' else 'g' || ((n - 2) / 3 + 1) end, '部署 ' || n, 'what it is',
      case when n % 5 = 0 then 'VISIBILITY_INVITATION' else 'VISIBILITY_OPEN' end, array['own'], array['own'],
      '[{"name": "own", "key": "own", "ids": ["many"]}]',
      case when n % 1000 = 0 then array['few', 'many'] when n % 2 = 0 then array['many'] else '{}' end, E'\n部署\n' || n, now(), now()
    from generate_series(1, 10000) n`);
  // One with as many in it.
  await db.query(sql`
    insert into groups (id, version, parent_id, name, description, visibility, tags, tag_keys, search, created_at, updated_at)
    select 'w' || n, 1, 'wide', 'w' || n, '', 'VISIBILITY_OPEN', '{}', '{}', '', now() - n * interval '1 second', now() + n * interval '1 second'
    from generate_series(1, 10000) n`);
  await db.query(sql`
    insert into members (id, version, visible, login_id, display_name, email, search, created_at, updated_at)
    select 'm' || n, 1, true, 'l' || n, '社員 ' || n, n || '@x', '', now(), now() from generate_series(1, 20000) n`);
  await db.query(sql`
    insert into memberships (id, version, group_id, member_id, joined_at, tag_ids)
    select g || '.m' || n, 1, g, 'm' || n, now(), case when n % 1000 = 0 then array['few', 'many'] else array['many'] end
    from generate_series(1, 20000) n, unnest(array['root', 'g' || (n % 2000 + 2)]) g`);
  await db.query(sql`vacuum analyze`);
});
test.after.always(() => scratch.drop());

async function planOf(query: Query): Promise<string> {
  const rows = await db.query<{ 'QUERY PLAN': string }>(sql`explain (analyze, timing off) ${query}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}
const listing = listingOf({ filter: '', orderBy: '' }, GROUP_LIST);
const byName = { listing: listingOf({ filter: '', orderBy: '' }, GROUP_MEMBER_LIST) };
const tree = { listing, groupId: 'root', depth: 100, seen: ALL, after: undefined, limit: 10_001 };
const first = { after: undefined, limit: 21 };
const every = { listing, ofMemberId: '', ...first };

test('what is right below a group is found by an index, and nothing else is looked at', async (t) => {
  const plan = await planOf(subgroupsPage({ ...tree, depth: 1, groupId: 'g77', limit: 21 }));
  t.regex(plan, /groups_within/);
  t.notRegex(plan, /Seq Scan on groups|Recursive/);
});

test('a page of a long list ends where it is full', async (t) => {
  const listed = await planOf(groupsPage([], { ...every, seen: FINDABLE }));
  t.regex(listed, /Index Scan using groups_listed/);
  t.notRegex(listed, /Sort|Seq Scan on groups/);
  const everybody = await planOf(groupMembersPage({ ...byName, groupId: 'root', seen: ALL, ...first }));
  t.regex(everybody, /Index Scan using members_listed/);
  t.notRegex(everybody, /Sort|Seq Scan on member(s|ships)\b/);
  t.regex(await planOf(groupMembersPage({ ...byName, groupId: 'g77', seen: ALL, ...first })), /memberships_in/);
  t.regex(await planOf(groupsPage([], { ...every, seen: ALL, ofMemberId: 'm77', membersSeen: ALL })), /memberships_of/);
});

test('what carries a tag is found by an index: by that of its ID where few carry it, else by that of the list, which ends where it is full', async (t) => {
  const [few, many] = [['few'], ['many']];
  /** In more sets than are looked for by their IDs. */
  const everywhere = { key: 'own', ids: undefined };
  const all = { ...every, seen: ALL };
  const ofRoot = { ...byName, groupId: 'root', seen: ALL, ...first };
  const subgroups = { ...tree, groupId: 'g77', depth: 1, limit: 21 };
  for (const [query, index] of [
    [groupsPage([], { ...all, tag: { key: 'few', ids: few } }), /Index Scan on groups_carrying/],
    [groupsPage([], { ...all, tag: { key: 'none', ids: [] } }), /Index Scan on groups_tagged/],
    [groupsPage([], { ...all, tag: { key: 'own', ids: many } }), /Index Scan using groups_listed/],
    [groupsPage([], { ...all, tag: everywhere }), /Index Scan using groups_listed/],
    [subgroupsPage({ ...subgroups, tag: { key: 'own', ids: many } }), /groups_within/],
    [subgroupsPage({ ...subgroups, tag: everywhere }), /groups_within/],
    [subgroupsPage({ ...subgroups, groupId: 'root', tag: { key: 'few', ids: few } }), /groups_within|groups_carrying/],
    [groupMembersPage({ ...ofRoot, tag: { key: 'few', ids: few } }), /Index Scan on memberships_carrying/],
    [groupMembersPage({ ...ofRoot, tag: { key: 'own', ids: many } }), /Index Scan using members_listed/],
  ] as const) {
    const plan = await planOf(query);
    t.regex(plan, index);
    t.notRegex(plan, /Seq Scan on (groups|members|memberships)\b/);
  }
});

test('in any order, a page of a long list ends where it is full, and so it is with the page after it', async (t) => {
  const place = { name: '2026-01-01T00:00:00.000Z', id: 'm' };
  const ofGroups = (orderBy: string) =>
    listingOf({ orderBy, filter: 'visibility = "open" AND createdAt > 2020-01-01T00:00:00Z' }, GROUP_LIST);
  const ofMembers = (orderBy: string) => listingOf({ orderBy, filter: '' }, GROUP_MEMBER_LIST);
  for (const after of [undefined, place]) {
    for (const [by, name] of [
      ['createdAt', 'created'],
      ['updatedAt', 'updated'],
    ] as const) {
      for (const orderBy of [by, `${by} desc`]) {
        const all = await planOf(groupsPage([], { ...every, seen: FINDABLE, listing: ofGroups(orderBy), after }));
        t.regex(all, new RegExp(`Index Scan (Backward )?using groups_by_${name}`), orderBy);
        t.notRegex(all, /Sort|Seq Scan on groups/, orderBy);
        const at = after && { ...after, depth: 1 };
        const right = await planOf(
          subgroupsPage({ ...tree, groupId: 'wide', depth: 1, limit: 21, listing: ofGroups(orderBy), after: at }),
        );
        t.regex(right, new RegExp(`groups_within_by_${name}`), orderBy);
        t.notRegex(right, /Sort|Seq Scan on groups/, orderBy);
      }
    }
    for (const orderBy of ['joinedAt', 'joinedAt desc']) {
      const members = await planOf(
        groupMembersPage({ groupId: 'root', seen: ALL, listing: ofMembers(orderBy), limit: 21, after }),
      );
      t.regex(members, /memberships_by_joined/, orderBy);
      t.notRegex(members, /Sort|Seq Scan on member(s|ships)\b/, orderBy);
    }
    const backwards = await planOf(
      groupsPage([], { ...every, seen: FINDABLE, listing: listingOf({ filter: '', orderBy: 'name desc' }, GROUP_LIST) }),
    );
    t.regex(backwards, /Index Scan Backward using groups_listed/);
  }
});

test('the groups below those that a condition names are looked up once, however many rows are held to it', async (t) => {
  const plan = await planOf(subgroupsPage({ ...tree, seen: below('g2') }));
  const lookUps = [...plan.matchAll(/CTE Scan on below.*loops=(\d+)/g)].map((match) => Number(match[1]));
  t.true(lookUps.length > 1);
  t.deepEqual([...new Set(lookUps)], [1]);
  t.regex(plan, /hashed SubPlan/);
});

test('the whole tree is answered by one question', async (t) => {
  for (const [seen, size] of [
    [ALL, 9_999],
    [FINDABLE, 7_999],
    [below('root'), 9_999],
  ] as const) {
    const page = {
      memberId: 'm',
      groupId: 'root',
      depth: 100,
      pageSize: 10_000,
      pageToken: '',
      tag: '',
      filter: '',
      orderBy: '',
    };
    const { groups } = await listSubgroups({ db, turns }, { ...page, seen });
    t.is(groups.length, size);
  }
});
