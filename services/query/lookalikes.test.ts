import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { ListLookalikesResponse } from '#proto/musubi/query/v1/query.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { memberEvent } from './events.fixture.ts';
import { project } from './projector.ts';
import { listLookalikes } from './queries/list-lookalikes.ts';
import { listMembers } from './queries/list-members.ts';
import { newSearches } from './queries/searches.ts';
import { ALL } from './seen.fixture.ts';
import { fillSkeletons } from './skeletons.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('lookalikes');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());
test.beforeEach(() => db.query(sql`truncate members`));

const tell = (id: string, loginId: string, displayName: string, version = 1) =>
  project(db, [memberEvent(id, version, { loginId, displayName })]);
const list = (given: { pageSize?: number; pageToken?: string } = {}) =>
  listLookalikes({ db, searches: newSearches() }, { pageSize: 0, pageToken: '', memberId: 'm', ...given });
const pairs = async () =>
  (await list()).lookalikes
    .map(({ member, looksLike }) => `${member?.memberId}: ${looksLike.map(({ memberId }) => memberId).join()}`)
    .sort();

test.serial('names that look alike are listed with whom they look like, whichever of the two it is', async (t) => {
  await tell('a', 'admin', 'Administrator');
  await tell('b', 'taro', 'Аdmіnistrator');
  await tell('c', 'hanako', 'Hanako');
  await tell('d', 'hanak0', '花子');
  await tell('e', 'jiro', 'ADMlN');
  await tell('f', 'saburo', 'Saburo');
  t.deepEqual(await pairs(), ['a: b,e', 'b: a', 'c: d', 'd: c', 'e: a']);
  const answer = await list();
  t.like(ListLookalikesResponse.decode(ListLookalikesResponse.encode(answer).finish()), answer);
  const found = answer.lookalikes.find(({ member }) => member?.memberId === 'e');
  t.like(found, { member: { memberId: 'e', loginId: 'jiro' }, looksLike: [{ loginId: 'admin', displayName: 'Administrator' }] });
});

test.serial('who has the same name, or a login and a name of its own that are alike, is not listed', async (t) => {
  await tell('a', 'taro', 'Taro');
  await tell('b', 'taro.yamada', '山田 太郎');
  await tell('c', 'yamada', '山田 太郎');
  t.deepEqual(await pairs(), []);
});

test.serial('who is gone, or was given another name, is listed no more', async (t) => {
  await tell('a', 'taro', 'Taro');
  await tell('b', 'jiro', 'Tаro');
  await tell('c', 'saburo', 'Tarо');
  t.deepEqual(await pairs(), ['a: b,c', 'b: a,c', 'c: a,b']);
  await tell('b', 'jiro', 'Jiro', 2);
  t.deepEqual(await pairs(), ['a: c', 'c: a']);
  await project(db, [memberEvent('c', 2, undefined)]);
  t.deepEqual(await pairs(), []);
});

test.serial('who is being registered is not listed, nor as whom one looks like', async (t) => {
  await tell('a', 'taro', 'Taro');
  await tell('b', 'jiro', 'Tаro');
  const pending = { status: 'PENDING' as const };
  await project(db, [
    memberEvent('c', 1, { loginId: 'saburo', displayName: 'Tarо', ...pending }),
    memberEvent('d', 1, { loginId: 'tаro', displayName: 'D', ...pending }),
    memberEvent('e', 1, { loginId: 'shiro', displayName: 'E' }),
    memberEvent('f', 1, { loginId: 'goro', displayName: 'shirо', ...pending }),
  ]);
  t.deepEqual(await pairs(), ['a: b', 'b: a']);
});

test.serial('pages give each once; their tokens are of no other list', async (t) => {
  for (let i = 0; i < 12; i++) await tell(`m${i}`, `login${i}x`, i % 2 === 0 ? 'Hanako' : 'Hanаkо');
  const seen: (string | undefined)[] = [];
  for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
    const page = await list({ pageSize: 5, pageToken });
    for (const { member, looksLike } of page.lookalikes) {
      seen.push(member?.memberId);
      t.is(looksLike.length, 6);
    }
    pageToken = page.nextPageToken;
  }
  t.is(new Set(seen).size, 12);
  t.is(seen.length, 12);
  const { nextPageToken: pageToken } = await list({ pageSize: 1 });
  const refused = { code: 'PAGE_TOKEN_INVALID' };
  const members = { query: '', roleId: '', seen: ALL, pageSize: 1, pageToken, memberId: 'm' };
  await t.throwsAsync(listMembers({ db, searches: newSearches() }, members), refused);
});

test.serial('members of before there were skeletons get theirs', async (t) => {
  await tell('a', 'taro', 'Taro');
  await tell('b', 'jiro', 'Tаro');
  await db.query(sql`update members set display_skeleton = null, login_skeleton = null`);
  await fillSkeletons(db);
  t.deepEqual(await pairs(), ['a: b', 'b: a']);
});

test.serial('an event that comes while they are made goes before', async (t) => {
  await tell('a', 'taro', 'Taro');
  await tell('b', 'jiro', 'Tаro');
  await db.query(sql`update members set display_skeleton = null, login_skeleton = null`);
  let renamed = false;
  const query = async (statement: Parameters<Database['query']>[0]) => {
    const rows = await db.query(statement);
    if (!renamed) await tell('b', 'jiro', 'Jiro', 2);
    renamed = true;
    return rows;
  };
  await fillSkeletons({ ...db, query } as Database);
  t.deepEqual(await pairs(), []);
});

test.serial('among many members it takes a moment', async (t) => {
  await db.query(sql`insert into members (id, version, visible, login_id, display_name, email, search, created_at, updated_at,
      display_skeleton, login_skeleton)
    select 'filler-' || n, 1, true, 'l' || n, '社員 ' || n, n || '@x', '', now(), now(), '社員 ' || n, 'l' || n from generate_series(1, 100000) n`);
  await tell('a', 'taro', 'Taro');
  await tell('b', 'jiro', 'Tаro');
  await db.query(sql`vacuum analyze members`);
  const started = performance.now();
  t.deepEqual(await pairs(), ['a: b', 'b: a']);
  t.log(`${Math.round(performance.now() - started)} ms among 100,000`);
});
