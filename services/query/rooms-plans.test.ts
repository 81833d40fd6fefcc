import test from 'ava';
import { type Database, type Query, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { leftOutOfMessages } from './erasure.ts';
import { messages } from './projections/messages.ts';
import { roomMembers } from './projections/room-members.ts';
import { messagesPage, roomMembersPage, roomsPage } from './room-store.ts';
import { openStore } from './store.ts';

// How the database finds what is read of rooms, among 3,000 of them, some of which are gone: one with 1,000 members and 50,000 messages,
// and a member that is in all of them.

const scratch = scratchDatabase('rooms_plans');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await db.query(sql`
    insert into rooms (id, version, gone_at, kind, name, created_at, updated_at)
    select 'r' || n, 1, case when n % 10 = 9 then now() end,
      case when n % 2 = 0 then 'ROOM_KIND_DIRECT' else 'ROOM_KIND_ROOM' end, 'room ' || n, now(), now()
    from generate_series(1, 3000) n`);
  const joined = sql`insert into room_members (id, version, room_id, member_id, owner, joined_at)`;
  await db.query(sql`
    ${joined} select 'r' || r || '/m' || r || '.' || n, 1, 'r' || r, 'm' || r || '.' || n, false, now()
    from generate_series(1, 3000) r, generate_series(1, 10) n`);
  await db.query(sql`${joined} select 'r' || r || '/all', 1, 'r' || r, 'all', false, now() from generate_series(1, 3000) r`);
  await db.query(sql`
    ${joined} select 'r1/x' || n, 1, 'r1', 'x' || n, false, now() - n * interval '1 second' from generate_series(1, 1000) n`);
  const said = sql`insert into messages (id, version, room_id, sequence, member_id, text, reactions, people, created_at)`;
  await db.query(sql`
    ${said} select 'r' || r || '.' || n, 1, 'r' || r, n, 'm' || r || '.' || n, 'text', '[]', array['m' || r || '.' || n], now()
    from generate_series(2, 3000) r, generate_series(1, 10) n`);
  await db.query(sql`
    ${said} select 'r1.' || n, 1, 'r1', n, 'x' || n % 1000, 'text', '[]', array['x' || n % 1000, 'all'], now()
    from generate_series(1, 50000) n`);
  await db.query(sql`vacuum analyze`);
});
test.after.always(() => scratch.drop());

async function planOf(query: Query): Promise<string> {
  const rows = await db.query<{ 'QUERY PLAN': string }>(sql`explain (analyze, timing off) ${query}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}
const NEVER = /Seq Scan on (rooms|room_members|messages)\b/;
/** How many rows a plan has read in its index scans and looked through. */
const filteredOut = (plan: string): number =>
  [...plan.matchAll(/Rows Removed by Filter: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);

test.serial('a page of the rooms that a member is in ends where it is full, whoever else is in them', async (t) => {
  for (const after of [undefined, { name: '', id: 'r2' }]) {
    const plan = await planOf(roomsPage('all', { after, limit: 21 }));
    t.regex(plan, /Index (Only )?Scan using room_members_of/);
    t.regex(plan, /room_members_by_joined/, 'they are counted by an index');
    t.notRegex(plan, NEVER);
  }
});

test.serial('a page of those in a room ends where it is full', async (t) => {
  for (const after of [undefined, { name: '2026-01-01T00:00:00.000Z', id: 'x' }]) {
    const plan = await planOf(roomMembersPage('r1', { after, limit: 21 }));
    t.regex(plan, /Index Scan using room_members_by_joined/);
    t.notRegex(plan, /Sort/);
    t.notRegex(plan, NEVER);
  }
});

test.serial('a part of a long history is read in its order by an index, wherever it begins', async (t) => {
  for (const place of [{}, { before: 40_000 }, { after: 10_000 }, { before: 5 }]) {
    const plan = await planOf(messagesPage({ roomId: 'r1', limit: 100, ...place }));
    t.regex(plan, /Index Scan (Backward )?using messages_within/);
    t.notRegex(plan, /Sort/);
    t.notRegex(plan, NEVER);
    t.true(filteredOut(plan) <= 1, `none but the room itself, which is not gone: ${plan}`);
  }
});

test.serial('what has outlived its room is found by an index, as is whom messages are to forget', async (t) => {
  for (const [within, index] of [
    [roomMembers.within, /room_members_by_joined/],
    [messages.within, /messages_within/],
  ] as const) {
    for (const partsOf of [['r9'], ['r19', 'r29', 'r39']]) {
      const parts = await planOf(within?.eraseOutlived({ partsOf }) ?? sql``);
      t.regex(parts, index);
      t.notRegex(parts, /Seq Scan on (room_members|messages)\b/);
    }
    const itself = await planOf(within?.eraseOutlived({ ids: ['r19.1', 'r1.1'] }) ?? sql``);
    t.regex(itself, /_pkey/);
    t.notRegex(itself, NEVER);
  }
  const forgotten = await planOf(leftOutOfMessages(['m77.1', 'm78.1', 'nobody']));
  t.regex(forgotten, /messages_of/);
  t.notRegex(forgotten, NEVER);
});

test.serial('a long history is erased part by part, of which each ends where it is full', async (t) => {
  await db.query(sql`update rooms set gone_at = now() where id = 'r1'`);
  const plan = await planOf(messages.within?.eraseOutlived({ partsOf: ['r1'] }) ?? sql``);
  t.regex(plan, /Scan .*on messages part .*actual rows=5000\.00/);
  t.notRegex(plan, /Sort/);
});
