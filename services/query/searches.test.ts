import test from 'ava';
import { Turns } from '#platform/concurrency/turns.ts';
import { MusubiError } from '#platform/errors.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { listCandidacies, listCandidates } from './queries/candidates.ts';
import { getMember } from './queries/get-member.ts';
import { listGroupMembers } from './queries/group-members.ts';
import { getGroup, listAncestors, listGroups } from './queries/groups.ts';
import { listMembers } from './queries/list-members.ts';
import { getPosition, listPositions } from './queries/positions.ts';
import { newSearches, type Searches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL, below } from './seen.fixture.ts';
import { memberLoader, openStore } from './store.ts';

/** One turn at a time; whose it is, is noted. */
class Counted extends Turns {
  readonly #names: unknown[];
  constructor(names: unknown[]) {
    super(1);
    this.#names = names;
  }
  override take<Result>(work: () => Promise<Result>, turn: Parameters<Turns['take']>[1] = {}): Promise<Result> {
    this.#names.push(turn.name);
    return super.take(work, turn);
  }
}

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
    const searches = { turns: new Counted(names), longestMs: 5_000 };
    for (const given of [{}, { tag: 'sales' }, { filter: 'visibility = "request"' }])
      await listGroups({ db, searches }, { ...plain, ...given });
    t.deepEqual(names, ['hana', 'hana']);
    const hasty = { turns: new Turns(1), longestMs: 1 };
    const asked = { ...plain, filter: 'visibility = "request"' };
    await t.throwsAsync(listGroups({ db, searches: hasty }, asked), { code: 'TOO_BUSY' });
    await t.notThrowsAsync(listGroups({ db, searches: hasty }, plain));
  },
);

const OF_GROUP = { groupId: 'g-1', memberId: 'hana', seen: ALL, pageSize: 1, pageToken: '', filter: '', orderBy: '' };
const JOINED = 'joinedAt > 2020-01-01T00:00:00Z';

test.serial('what is sought in a group takes turns, too, and is cut as a search is; what an index finds does not', async (t) => {
  await db.query(sql`
    insert into positions (id, version, group_id, name, kind, permissions, created_at, updated_at)
    values ('p-1', 1, 'g-1', 'p', 'POSITION_KIND_UNSPECIFIED', '[]', now(), now())`);
  await db.query(sql`
    insert into memberships (id, version, group_id, member_id, joined_at, tag_ids)
    select 'g-1.m-' || n, 1, 'g-1', 'm-' || n, now(), '{}' from generate_series(1, 20000) n`);
  const members = { ...OF_GROUP, positionId: '', tag: '' };
  const asked = { ...OF_GROUP, candidacy: 'CANDIDACY_REQUESTED' } as const;
  const whole = { ...OF_GROUP, seenGroups: ALL, seenMembers: ALL };
  const include = (['MEMBERS', 'POSITIONS', 'ANCESTORS', 'SUBGROUPS'] as const).map((part) => `GROUP_PART_${part}` as const);
  type Ask = (of: { db: Database; searches: Searches }) => Promise<unknown>;
  const quick: Ask[] = [
    (of) => listGroupMembers(of, members),
    (of) => listGroupMembers(of, { ...members, orderBy: 'joinedAt' }),
    (of) => listCandidates(of, asked),
    (of) => listAncestors(of, OF_GROUP),
    (of) => getGroup(of, { ...whole, include }),
  ];
  const sought: Ask[] = [
    (of) => listGroupMembers(of, { ...members, filter: JOINED }),
    (of) => listGroupMembers(of, { ...members, tag: 'sales' }),
    (of) => listGroupMembers(of, { ...members, positionId: 'p-1' }),
    (of) => listCandidates(of, { ...asked, filter: 'requestedAt > 2020-01-01T00:00:00Z' }),
    (of) => listCandidates(of, { ...asked, orderBy: 'requestedAt' }),
    (of) => listAncestors(of, { ...OF_GROUP, seen: below('g-2') }),
    (of) => getGroup(of, { ...whole, seenGroups: below('g-2'), include: ['GROUP_PART_ANCESTORS'] }),
  ];
  for (const [asks, turns] of [
    [quick, []],
    [sought, ['hana']],
  ] as const)
    for (const [at, ask] of asks.entries()) {
      const names: unknown[] = [];
      await ask({ db, searches: { turns: new Counted(names), longestMs: 5_000 } });
      t.deepEqual(names, turns, `${turns.length > 0 ? 'sought' : 'quick'} ${at}`);
    }
  const hasty = { db, searches: { turns: new Turns(1), longestMs: 50 } };
  // It would wait for as long as somebody else has the table.
  await db.transaction(async (tx) => {
    await tx.query(sql`lock table memberships in access exclusive mode`);
    await t.throwsAsync(listGroupMembers(hasty, { ...members, filter: JOINED }), { code: 'TOO_BUSY' });
  });
});

test.serial('of a group nothing is looked up for who has left', async (t) => {
  const gone = AbortSignal.abort();
  const of = { db, searches: newSearches() };
  const whole = { ...OF_GROUP, seenGroups: ALL, seenMembers: ALL, include: [] };
  const asks: (() => Promise<unknown>)[] = [
    () => listGroupMembers(of, { ...OF_GROUP, positionId: '', tag: '' }, gone),
    () => listGroupMembers(of, { ...OF_GROUP, positionId: '', tag: 'sales' }, gone),
    () => listGroupMembers(of, { ...OF_GROUP, positionId: 'p-1', tag: '' }, gone),
    () => listCandidates(of, { ...OF_GROUP, candidacy: 'CANDIDACY_INVITED' }, gone),
    () => listCandidacies(db, { ...OF_GROUP, candidacy: 'CANDIDACY_INVITED' }, gone),
    () => listAncestors(of, OF_GROUP, gone),
    () => listSubgroups({ db, turns: of.searches.turns }, { ...OF_GROUP, depth: 1, tag: '' }, gone),
    () => listPositions(db, OF_GROUP, gone),
    () => getPosition(db, { ...OF_GROUP, positionId: 'p-1' }, gone),
    () => getGroup(of, whole, gone),
  ];
  for (const [at, ask] of asks.entries()) await t.throwsAsync(ask(), { code: 'CALLER_GONE' }, `${at}`);
});
