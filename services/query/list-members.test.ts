import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { longestNormalized, SLOW_TO_NORMALIZE } from '#platform/validation/normalization.fixture.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { beginning } from './domain.ts';
import { memberEvent, memberRolesEvent } from './events.fixture.ts';
import { project } from './projector.ts';
import { getMember } from './queries/get-member.ts';
import { listMembers } from './queries/list-members.ts';
import { newSearches } from './queries/searches.ts';
import { ALL, NOTHING } from './seen.fixture.ts';
import { memberLoader, openStore } from './store.ts';

const NAMES = [
  'alice',
  'Bob',
  'Émile',
  'Zoë',
  '山田 太郎',
  '山本 花子',
  'サーバ',
  'ｻｰﾊﾞ 二号',
  '100% real',
  'under_score',
  'back\\slash',
  "O'Neil",
  'Bob',
];

const scratch = scratchDatabase('list_members');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await project(
    db,
    NAMES.map((displayName, index) =>
      memberEvent(randomUUID(), 1, { displayName, loginId: `Login-${index}`, email: `e${index}@Example.com` }),
    ),
  );
  await project(db, [
    memberEvent(randomUUID(), 1, { displayName: 'hidden pending', status: 'PENDING' }),
    memberEvent(randomUUID(), 1, undefined),
  ]);
});
test.after.always(() => scratch.drop());

const list = (given: { query?: string; pageSize?: number; pageToken?: string }) =>
  listMembers(
    { db, searches: newSearches() },
    { query: '', pageSize: 0, pageToken: '', memberId: 'm', seen: ALL, roleId: '', ...given },
  );

const names = async (query: string): Promise<string[]> =>
  (await list({ query, pageSize: 100 })).members.map((member) => member.displayName);

test.serial('members are listed as people order names', async (t) => {
  const all = await names('');
  t.is(all.length, NAMES.length);
  t.deepEqual(
    all.filter((name) => /^[a-zA-ZÉ]/.test(name)),
    ['alice', 'back\\slash', 'Bob', 'Bob', 'Émile', "O'Neil", 'under_score', 'Zoë'],
  );
});

test.serial('pages of any size give everybody once, in order', async (t) => {
  const all = await names('');
  for (const pageSize of [1, 2, 3, 7, 13, 100]) {
    const seen: string[] = [];
    for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
      const page = await list({ pageSize, pageToken });
      t.true(page.members.length <= pageSize && page.members.length > 0);
      seen.push(...page.members.map((member) => member.displayName));
      pageToken = page.nextPageToken;
    }
    t.deepEqual(seen, all);
  }
  t.is((await list({})).nextPageToken, '');
});

test.serial('words are found anywhere in name, login or e-mail', async (t) => {
  t.deepEqual(await names('BOB'), ['Bob', 'Bob']);
  t.deepEqual(await names('login-3'), ['Zoë']);
  t.deepEqual(await names('e3@example.COM'), ['Zoë']);
  t.deepEqual(await names('  zo　LOGIN '), ['Zoë']);
  t.deepEqual(await names('zoë hana'), []);
  t.deepEqual((await names('山')).sort(), ['山本 花子', '山田 太郎']);
  t.deepEqual(await names('太郎'), ['山田 太郎']);
  t.deepEqual(await names('山田 太郎'), ['山田 太郎']);
  t.deepEqual((await names('サーバ')).sort(), ['サーバ', 'ｻｰﾊﾞ 二号']);
  t.deepEqual(await names('ＢＯＢ'), ['Bob', 'Bob']);
  t.deepEqual(await names('hidden'), []);
  t.deepEqual(await names('zoëlogin'), [], 'a word is not found across fields');
});

test.serial('special characters stand for themselves', async (t) => {
  t.deepEqual(await names('%'), ['100% real']);
  t.deepEqual(await names('_'), ['under_score']);
  t.deepEqual(await names('\\'), ['back\\slash']);
  t.deepEqual(await names("o'n"), ["O'Neil"]);
  t.deepEqual(await names("'; drop table members; --"), []);
});

test.serial('a page token is good for its query only', async (t) => {
  const { nextPageToken: pageToken } = await list({ query: 'o', pageSize: 1 });
  await t.notThrowsAsync(list({ query: ' O ', pageSize: 5, pageToken }), 'which may be written otherwise');
  const refused = { code: 'PAGE_TOKEN_INVALID' };
  await t.throwsAsync(list({ pageSize: 1, pageToken }), refused);
  const forged = Buffer.from('["x",1,null]').toString('base64url');
  const [made] = JSON.parse(Buffer.from(pageToken, 'base64url').toString()) as string[];
  const operator = Buffer.from(JSON.stringify([made, { $gt: '' }, 'x'])).toString('base64url');
  const long = Buffer.from(JSON.stringify([made, 'x'.repeat(1_000), 'x'])).toString('base64url');
  for (const token of [
    operator,
    long,
    'x',
    '%%%',
    `${pageToken}x`,
    pageToken.slice(1),
    forged,
    Buffer.from('null').toString('base64url'),
  ]) {
    await t.throwsAsync(list({ query: 'o', pageSize: 1, pageToken: token }), refused, token);
  }
});

test.serial('what is out of bounds is refused by field', async (t) => {
  const ask = list;
  t.like(await t.throwsAsync(ask({ pageSize: -1 })), { code: 'INVALID_ARGUMENT', fields: [{ field: 'pageSize' }] });
  t.like(await t.throwsAsync(ask({ pageSize: 101 })), { code: 'INVALID_ARGUMENT', fields: [{ field: 'pageSize' }] });
  const folded = '¨a ´b ΅c ﷺd ¸e ˚f ¯g ˘h ˙i ˝j';
  await t.notThrowsAsync(ask({ query: folded }), 'ten words, however many they are once they are folded');
  await t.notThrowsAsync(ask({ query: '🔑'.repeat(200) }), 'characters are counted, not their UTF-16 units');
  await t.throwsAsync(ask({ query: '🔑'.repeat(201) }), { code: 'INVALID_ARGUMENT' });
  const words = Array.from({ length: 10_000 }, (_, i) => `word${i}`).join(' ');
  const normalized = await longestNormalized(async () => {
    for (const query of [words, SLOW_TO_NORMALIZE])
      t.like(await t.throwsAsync(ask({ query })), { code: 'INVALID_ARGUMENT', fields: [{ field: 'query' }] });
  });
  t.is(normalized, 0, 'what is too long is not even transformed');
  for (const query of ['x'.repeat(201), 'a\0b', 'a b c d e f g h i j k']) {
    t.like(await t.throwsAsync(ask({ query })), { code: 'INVALID_ARGUMENT', fields: [{ field: 'query' }] });
  }
});

test.serial('a member is found by ID with its roles', async (t) => {
  const memberId = randomUUID();
  await project(db, [memberRolesEvent(memberId, 1, ['member'])]);
  await t.throwsAsync(getMember(memberLoader(db), { memberId, seen: ALL }), { code: 'MEMBER_NOT_FOUND' });
  await project(db, [memberEvent(memberId, 3, { displayName: '~last', loginId: '-', email: '-@-' })]);
  t.like(await getMember(memberLoader(db), { memberId, seen: ALL }), {
    memberId,
    displayName: '~last',
    roleIds: ['member'],
    version: 3,
  });
  for (const nobody of ['', 'x', 'a\0b', randomUUID()])
    await t.throwsAsync(getMember(memberLoader(db), { memberId: nobody, seen: ALL }), { code: 'MEMBER_NOT_FOUND' });
  await project(db, [memberEvent(memberId, 4, undefined)]);
});

test.serial('members who are asked for at the same time are found by one statement, each of them or nobody', async (t) => {
  const [one, two, nobody] = [randomUUID(), randomUUID(), randomUUID()];
  await project(
    db,
    [one, two].map((id) => memberEvent(id, 1, { displayName: '~last', loginId: id, email: '-@-' })),
  );
  let statements = 0;
  const counting: Database = {
    transaction: (work) => db.transaction(work),
    query: (query, signal) => {
      statements++;
      return db.query(query, signal);
    },
  };
  const members = memberLoader(counting);
  const found = await Promise.all(
    [two, nobody, one, two].map((memberId) =>
      getMember(members, { memberId, seen: ALL }).catch(({ code }) => ({ memberId: code })),
    ),
  );
  t.deepEqual(
    found.map(({ memberId }) => memberId),
    [two, 'MEMBER_NOT_FOUND', one, two],
  );
  t.is(statements, 1);
  await project(
    db,
    [one, two].map((id) => memberEvent(id, 2, undefined)),
  );
  t.is(await members({ memberId: one, seen: ALL }), undefined, 'what was found is not remembered');
});

test.serial('a member is there for those who may see it', async (t) => {
  const memberId = randomUUID();
  await project(db, [
    memberEvent(memberId, 1, { displayName: '~last', loginId: '-', email: '-@-' }),
    memberRolesEvent(memberId, 1, ['editors']),
  ]);
  const ids = (...ids: string[]): Condition => ({ kind: { $case: 'ids', value: { ids } } });
  const owner: Condition = { kind: { $case: 'owners', value: { ids: [memberId] } } };
  const inRole = (id: string): Condition => ({ kind: { $case: 'in', value: { references: [{ type: 'Role', id }] } } });
  const load = memberLoader(db);
  for (const seen of [ids('x', memberId), owner, inRole('editors'), { kind: { $case: 'not', value: ids('x') } } as const])
    t.like(await getMember(load, { memberId, seen }), { memberId, roleIds: ['editors'] });
  for (const seen of [ids('x'), inRole('others'), { kind: { $case: 'not', value: owner } } as const, NOTHING, undefined])
    await t.throwsAsync(getMember(load, { memberId, seen }), { code: 'MEMBER_NOT_FOUND' });
  await project(db, [memberEvent(memberId, 2, { displayName: '~last', status: 'PENDING' })]);
  await t.throwsAsync(getMember(load, { memberId, seen: owner }), { code: 'MEMBER_NOT_FOUND' }, 'it is not registered yet');
  await project(db, [memberEvent(memberId, 3, undefined)]);
});

test.serial('of whom words begin with what is looked for come first, then the others, by name', async (t) => {
  const found = ['Anna Hana', 'Hana', 'hanako Zed', 'Zed', '山花', '花 山'].map((displayName, n) => ({ displayName, n }));
  const ids = found.map(() => randomUUID());
  const emails = ['a@x.example', 'b@x.example', 'c@x.example', 'hana.z@x.example', 'e@x.example', 'f@x.example'];
  await project(
    db,
    found.map(({ displayName, n }) =>
      memberEvent(ids[n] ?? '', 1, { displayName, loginId: `order-${n}`, email: emails[n] ?? '' }),
    ),
  );
  const others = randomUUID();
  await project(db, [memberEvent(others, 1, { displayName: 'Aaa Ohana', loginId: 'xhana', email: 'z@x.example' })]);
  t.deepEqual(await names('hana'), ['Anna Hana', 'Hana', 'hanako Zed', 'Zed', 'Aaa Ohana']);
  t.deepEqual(await names('HAN ze'), ['hanako Zed', 'Zed']);
  t.deepEqual(await names('order-3'), ['Zed']);
  t.deepEqual((await names('花')).slice(0, 2).toSorted(), ['山本 花子', '花 山'].toSorted());
  t.deepEqual((await names('花')).at(-1), '山花');
  const all = await names('hana');
  for (const pageSize of [1, 2, 3, 4, 5]) {
    const seen: string[] = [];
    for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
      const page = await list({ query: 'hana', pageSize, pageToken });
      seen.push(...page.members.map((member) => member.displayName));
      pageToken = page.nextPageToken;
    }
    t.deepEqual(seen, all, `pages of ${pageSize}`);
  }
  const { nextPageToken } = await list({ query: 'hana', pageSize: all.length - 1 });
  await t.throwsAsync(list({ query: 'han', pageSize: 1, pageToken: nextPageToken }), { code: 'PAGE_TOKEN_INVALID' });
  await project(
    db,
    [...ids, others].map((id) => memberEvent(id, 2, undefined)),
  );
});

test.serial('among many members the trigram index finds a few', async (t) => {
  await db.query(sql`insert into members (id, version, visible, login_id, display_name, email, search, created_at, updated_at)
    select 'filler-' || n, 1, true, 'l' || n, '社員 ' || n, n || '@x', E'\n社員\n' || n || E'\nl' || n || E'\n' || n || '@x', now(), now()
    from generate_series(1, 20000) n`);
  await db.query(sql`vacuum analyze members`);
  const plan = await db.query<{ 'QUERY PLAN': string }>(
    sql`explain select id from members m where m.visible and m.search like ${'%員\n1234%'} order by m.display_name, m.id limit 21`,
  );
  t.regex(plan.map((row) => row['QUERY PLAN']).join('\n'), /members_search/);
  const short = await db.query<{ 'QUERY PLAN': string }>(
    sql`explain select id from members m where m.visible and m.search like ${beginning('l7')} and m.search like ${beginning('l7777')}`,
  );
  t.regex(short.map((row) => row['QUERY PLAN']).join('\n'), /members_search/);
  t.deepEqual(await names('員 12345'), ['社員 12345']);
  await db.query(sql`delete from members where id like 'filler-%'`);
});
