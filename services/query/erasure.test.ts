import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { queryErasure } from './erasure.ts';
import { eventMessage, memberEvent, memberRolesEvent } from './events.fixture.ts';
import { bindingsEvent, membershipEvent } from './group-events.fixture.ts';
import { project } from './projector.ts';
import { listRoomMessages } from './queries/rooms.ts';
import { messageEvent, roomEvent, roomMemberEvent, sampleMessage } from './room-events.fixture.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('query_erasure');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const erasure = (
  forgetParked: (ids: readonly string[]) => Promise<string[]> = async () => [],
  told = async () => new Map<string, string>(),
) => queryErasure(db, { told, forgetParked }, scratch.log);
const place = (memberId: string, place: string, count = 1) => ({ memberId, place, count });
const rowOf = async (memberId: string) =>
  (await db.query<{ row: Record<string, unknown> }>(sql`select to_jsonb(m) as row from members m where id = ${memberId}`))[0]
    ?.row;

test('rows of who was deleted are emptied, whatever restored them, and old events do not bring them back', async (t) => {
  const [memberId, other] = [randomUUID(), randomUUID()];
  for (const id of [memberId, other]) await project(db, [memberEvent(id, 4, {}), memberRolesEvent(id, 2, ['member'])]);
  t.deepEqual(await erasure().erase([memberId]), {
    erased: [place(memberId, 'members'), place(memberId, 'member_roles')],
  });
  t.deepEqual(await erasure().erase([memberId]), { erased: [] });
  const { gone_at, ...row } = (await rowOf(memberId)) ?? {};
  t.truthy(gone_at);
  t.deepEqual(
    Object.entries(row).filter(([, value]) => value !== null),
    [
      ['id', memberId],
      ['version', 4],
    ],
  );
  await project(db, [memberEvent(memberId, 3, {})]);
  t.is((await rowOf(memberId))?.login_id, null);
  t.truthy((await rowOf(other))?.login_id);
});

test('nothing is left of what who was deleted was in groups', async (t) => {
  const [memberId, other, group] = [randomUUID(), randomUUID(), randomUUID()];
  for (const id of [memberId, other])
    await project(db, [
      ...['root', group].map((groupId) => membershipEvent(groupId, id, 3)),
      bindingsEvent(group, id, 2, ['a', 'b']),
    ]);
  t.deepEqual(await erasure().erase([memberId]), {
    erased: [place(memberId, 'memberships', 2), place(memberId, 'bindings')],
  });
  t.deepEqual(await erasure().erase([memberId]), { erased: [] });
  await project(db, [membershipEvent(group, memberId, 2), bindingsEvent(group, memberId, 1, ['a'])]);
  const left = await db.query<{ member: string }>(sql`
    select member_id as member from memberships where member_id is not null
    union all select member_id from bindings where member_id is not null`);
  t.deepEqual(
    left.map(({ member }) => member),
    [other, other, other],
  );
});

test('who was deleted is in no room any more, and has neither said anything nor reacted', async (t) => {
  const [memberId, other, third] = [randomUUID(), randomUUID(), randomUUID()];
  const [roomId, own, others, neither] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const mine = { sequence: 1, memberId, text: 'mine', reactions: [{ emoji: '👍', memberIds: [memberId] }] };
  const reactions = [
    { emoji: '🎉', memberIds: [memberId] },
    { emoji: '👍', memberIds: [third, memberId, other] },
    { emoji: '👋', memberIds: [other] },
  ];
  const theirs = { sequence: 2, memberId: other, reactions };
  const untouched = { sequence: 3, memberId: other, reactions: [{ emoji: '👍', memberIds: [third] }] };
  await project(db, [
    roomEvent(roomId, 1, {}),
    ...[memberId, other].map((id) => roomMemberEvent(roomId, id, 3, {})),
    messageEvent(roomId, own, 2, mine),
    messageEvent(roomId, others, 2, theirs),
    messageEvent(roomId, neither, 2, untouched),
  ]);
  t.deepEqual(await erasure().erase([memberId]), {
    erased: [place(memberId, 'room_members'), place(memberId, 'messages', 2)],
  });
  t.deepEqual(await erasure().erase([memberId]), { erased: [] });
  await project(db, [
    roomMemberEvent(roomId, memberId, 2, {}),
    messageEvent(roomId, own, 1, mine),
    messageEvent(roomId, others, 1, theirs),
  ]);
  const left = [
    { emoji: '👍', memberIds: [third, other] },
    { emoji: '👋', memberIds: [other] },
  ];
  t.deepEqual((await listRoomMessages(db, { roomId, after: 0, limit: 9 })).messages, [
    sampleMessage(roomId, own, 2, { ...mine, memberId: '', reactions: [] }),
    sampleMessage(roomId, others, 2, { ...theirs, reactions: left }),
    sampleMessage(roomId, neither, 2, untouched),
  ]);
  const rows = await db.query<{ row: string }>(sql`
    select to_jsonb(m)::text as row from messages m where room_id = ${roomId}
    union all select to_jsonb(s)::text from room_members s where room_id = ${roomId}`);
  t.is(rows.length, 4);
  t.false(rows.some(({ row }) => row.includes(memberId)));
});

test('a tombstone is that the member is gone', async (t) => {
  const memberId = randomUUID();
  await project(db, [memberEvent(memberId, 4, {}), eventMessage('member', 'erased', memberId, 5, null)]);
  t.like(await rowOf(memberId), { version: 5, login_id: null, visible: null });
  t.truthy((await rowOf(memberId))?.gone_at);
});

test('what was parked is counted, and looked for again where Kafka was away', async (t) => {
  const memberId = randomUUID();
  t.deepEqual(await erasure(async () => [memberId, memberId]).erase([memberId]), {
    erased: [place(memberId, 'dead_letters', 2)],
  });
  const away = async (): Promise<string[]> => {
    throw new Error('no broker');
  };
  t.deepEqual(await erasure(away).erase([memberId]), { erased: [], pending: [memberId] });
});

test('who is to be erased is read in Kafka once for all pages of a list', async (t) => {
  const of = (memberId: string) => ({ memberId, proof: `of ${memberId}` });
  let looks = 0;
  const { list } = erasure(undefined, async () => {
    looks++;
    const told = ['c', 'a', 'b'].map((memberId) => [memberId, JSON.stringify({ memberId, proof: `of ${memberId}` })] as const);
    return new Map([...told, ['x', '{"memberId":5}'], ['y', 'not json']]);
  });
  t.deepEqual(await list?.('', 2), [of('a'), of('b')]);
  t.deepEqual(await list?.('b', 2), [of('c')]);
  t.deepEqual(await list?.('c', 2), []);
  t.is(looks, 1);
  await list?.('', 2);
  t.is(looks, 2);
});
