import test from 'ava';
import { Turns } from '#platform/concurrency/turns.ts';
import { MusubiError } from '#platform/errors.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { getMember } from './queries/get-member.ts';
import { listGroups } from './queries/groups.ts';
import { listMembers } from './queries/list-members.ts';
import { newSearches, type Searches } from './queries/searches.ts';
import { ALL } from './seen.fixture.ts';
import { memberLoader, openStore } from './store.ts';

/** Words without a trigram: every row is looked at. */
const SLOW = 'a b c d e f 1 2 3 ~';

const scratch = scratchDatabase('searches');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await db.query(sql`insert into members (id, version, visible, login_id, display_name, email, search, created_at, updated_at)
    select 'm-' || n, 1, true, 'l' || n, 'Employee ' || md5(n::text), n || '@x',
      'employee ' || md5(n::text) || E'\n1 2 3\nabcdef', now(), now()
    from generate_series(1, 20000) n`);
});
test.after.always(() => scratch.drop());

/** Searches of one member, all at once; how many of them have ended, and how. */
function flood(searches: Searches, count: number, signal?: AbortSignal) {
  const ended: string[] = [];
  const all = Array.from({ length: count }, () =>
    listMembers(
      { db, searches },
      { query: SLOW, pageSize: 0, pageToken: '', memberId: 'mallory', seen: ALL, roleId: '' },
      signal,
    ).then(
      () => void ended.push('found'),
      (error: MusubiError) => void ended.push(error.code),
    ),
  );
  return { ended, all: Promise.all(all) };
}

test.serial('the searches of one member keep neither the others nor the rest of the queries waiting', async (t) => {
  const searches = newSearches();
  const { ended, all } = flood(searches, 56);
  t.like(await getMember(memberLoader(db), { memberId: 'm-1', seen: ALL }), { memberId: 'm-1' });
  const everybody = await listMembers(
    { db, searches },
    { query: '', pageSize: 1, pageToken: '', memberId: 'hana', seen: ALL, roleId: '' },
  );
  t.is(everybody.members.length, 1);
  const found = await listMembers(
    { db, searches },
    { query: 'employee', pageSize: 1, pageToken: '', memberId: 'hana', seen: ALL, roleId: '' },
  );
  t.is(found.members.length, 1);
  t.true(ended.length < 28, `${ended.length} of 56 searches were over`);
  await all;
  t.is(ended.length, 56);
});

test.serial('searches whose callers have left are not made', async (t) => {
  const left = new AbortController();
  const { ended, all } = flood(newSearches(), 56, left.signal);
  left.abort();
  await all;
  t.deepEqual(ended.filter((how) => how === 'CALLER_GONE').length, 52, 'all but those that had begun');
  await t.throwsAsync(getMember(memberLoader(db), { memberId: 'm-1', seen: ALL }, left.signal), {
    instanceOf: MusubiError,
    code: 'CALLER_GONE',
  });
  const all0 = { query: '', pageSize: 0, pageToken: '', memberId: '', seen: ALL, roleId: '' };
  await t.throwsAsync(listMembers({ db, searches: newSearches() }, all0, left.signal), { code: 'CALLER_GONE' });
});

test.serial('a search that takes too long is cut, and its client is told when to come again', async (t) => {
  const searches = { turns: new Turns(1), longestMs: 1 };
  const error = await t.throwsAsync(
    listMembers({ db, searches }, { query: SLOW, pageSize: 0, pageToken: '', memberId: '', seen: ALL, roleId: '' }),
    {
      instanceOf: MusubiError,
    },
  );
  t.is(error.code, 'TOO_BUSY');
  t.is(error.retryAfterSeconds, 1);
  // Only the search is: what follows on the connection has all the time it had.
  t.deepEqual(await db.query(sql`select pg_sleep(0.05), 1 as one`), [{ pg_sleep: '', one: 1 }]);
});

test.serial(
  'groups that are sought by a tag or a filter take turns, too, for as long as a search may take; a plain list does not',
  async (t) => {
    await db.query(sql`insert into groups (id, version, parent_id, name, description, visibility, search, created_at, updated_at)
    select 'g-' || n, 1, 'root', 'g' || n, '', 'VISIBILITY_OPEN', 'g' || n, now(), now() from generate_series(1, 20000) n`);
    const names: unknown[] = [];
    class Counted extends Turns {
      override take<Result>(work: () => Promise<Result>, turn: Parameters<Turns['take']>[1] = {}): Promise<Result> {
        names.push(turn.name);
        return super.take(work, turn);
      }
    }
    const plain = {
      query: '',
      tag: '',
      ofMemberId: '',
      membersSeen: ALL,
      filter: '',
      orderBy: '',
      pageSize: 1,
      pageToken: '',
      memberId: 'hana',
      seen: ALL,
    };
    const searches = { turns: new Counted(1), longestMs: 5_000 };
    for (const given of [{}, { tag: 'sales' }, { filter: 'visibility = "request"' }])
      await listGroups({ db, searches }, { ...plain, ...given });
    t.deepEqual(names, ['hana', 'hana']);
    const hasty = { turns: new Turns(1), longestMs: 1 };
    const asked = { ...plain, filter: 'visibility = "request"' };
    await t.throwsAsync(listGroups({ db, searches: hasty }, asked), { code: 'TOO_BUSY' });
    await t.notThrowsAsync(listGroups({ db, searches: hasty }, plain));
  },
);
