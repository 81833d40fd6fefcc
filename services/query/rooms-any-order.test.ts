import { randomUUID } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { mixed, newest } from './any-order.fixture.ts';
import { CREATED } from './events.fixture.ts';
import { project } from './projector.ts';
import { getRoom, listRoomMembers, listRoomMessages, listRooms } from './queries/rooms.ts';
import { messageEvent, roomEvent, roomMemberEvent, sampleMessage } from './room-events.fixture.ts';
import { openStore } from './store.ts';
import { tidy } from './tidy.ts';

// Whatever comes when, and however often: what is read of rooms is what a few lines make of the newest states.

/** Of the store: more batches at once would only queue for them, which has a time limit. */
const CONNECTIONS = 8;
const scratch = scratchDatabase('rooms_any_order');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const SIZE = 3;
/** The version in which a room is gone, if it is: nothing comes after it. */
const GONE = 5;
const at = fc.nat(SIZE - 1);
const version = fc.integer({ min: 1, max: GONE - 1 });
const room = fc.record({ version: fc.integer({ min: 1, max: GONE }), at, isDirect: fc.boolean() });
const roomMember = fc.record({
  version,
  at,
  member: at,
  state: fc.option(fc.record({ joined: fc.nat(3), owner: fc.boolean() })),
});
const message = fc.record({ version, at, nth: fc.nat(3), state: fc.option(fc.record({ isDeleted: fc.boolean() })) });
const histories = fc.record({
  rooms: fc.array(room, { minLength: 3, maxLength: 10 }),
  members: fc.array(roomMember, { minLength: 4, maxLength: 20 }),
  messages: fc.array(message, { maxLength: 20 }),
});
const later = (ms: number): Date => new Date(CREATED.getTime() + ms);

test('what is read of rooms follows from the newest states alone, in any order, with repeats, at once and without old events', async (t) => {
  const found = { rooms: 0, members: 0, messages: 0, gone: 0, outlived: 0 };
  await fc.assert(
    fc.asyncProperty(
      histories,
      fc.infiniteStream(fc.nat()),
      fc.boolean(),
      fc.boolean(),
      async (drawn, random, isWhole, atOnce) => {
        const next = (below: number): number => (random.next().value as number) % below;
        const ids = Array.from({ length: SIZE }, () => randomUUID()).sort();
        const people = Array.from({ length: SIZE }, () => randomUUID()).sort();
        const id = (index: number): string => ids[index] ?? '';
        const person = (index: number): string => people[index] ?? '';
        const messageId = (room: number, nth: number): string => `${id(room)}.${nth}`;
        const rooms = newest(drawn.rooms, (s) => s.at);
        const members = newest(drawn.members, (s) => [s.at, s.member]);
        const messages = newest(drawn.messages, (s) => [s.at, s.nth]);
        const of = <S>({ written, last }: { written: S[]; last: S[] }) => (isWhole ? written : last);
        const kindOf = (isDirect: boolean) => (isDirect ? ('ROOM_KIND_DIRECT' as const) : ('ROOM_KIND_ROOM' as const));
        const said = (s: (typeof messages.last)[number]) => ({
          sequence: s.nth + 1,
          text: s.state?.isDeleted ? '' : `as of ${s.version}`,
          deletedAt: s.state?.isDeleted ? later(s.version) : undefined,
        });
        const events = [
          ...of(rooms).map((s) =>
            roomEvent(id(s.at), s.version, s.version === GONE ? undefined : { name: `v${s.version}`, kind: kindOf(s.isDirect) }),
          ),
          ...of(members).map((s) =>
            roomMemberEvent(
              id(s.at),
              person(s.member),
              s.version,
              s.state ? { joinedAt: later(s.state.joined), owner: s.state.owner } : undefined,
            ),
          ),
          ...of(messages).map((s) => messageEvent(id(s.at), messageId(s.at, s.nth), s.version, s.state ? said(s) : undefined)),
        ];
        const batches = mixed(events, next);
        const turns = Array.from({ length: atOnce ? CONNECTIONS : 1 }, async () => {
          for (let batch = batches.shift(); batch; batch = batches.shift()) await project(db, batch);
        });
        await Promise.all(turns);

        const isGone = (index: number) => rooms.last.some((s) => s.at === index && s.version === GONE);
        const inRoom = (index: number) =>
          members.last.flatMap(({ at, member, state }) =>
            at === index && state ? [{ memberId: person(member), ...state }] : [],
          );
        const view = (index: number, memberId: string) => {
          const [state, those] = [rooms.last.find((s) => s.at === index), inRoom(index)];
          const me = those.find((one) => one.memberId === memberId);
          if (!me || !state || isGone(index)) return undefined;
          return {
            roomId: id(index),
            kind: kindOf(state.isDirect),
            name: `v${state.version}`,
            memberCount: those.length,
            memberIds: state.isDirect ? those.map((one) => one.memberId).sort() : [],
            owned: me.owner,
            createdAt: CREATED,
            updatedAt: later(state.version),
            version: state.version,
          };
        };
        const page = { pageSize: 0, pageToken: '' };
        for (const memberId of people) {
          const views = ids.flatMap((_, index) => view(index, memberId) ?? []);
          t.deepEqual((await listRooms(db, { memberId, ...page })).rooms, views);
          for (const [index, roomId] of ids.entries()) {
            const seen = view(index, memberId);
            const one = await getRoom(db, { roomId, memberId }).catch((error: unknown) => (error as { code: string }).code);
            t.deepEqual(one, seen ?? 'ROOM_NOT_FOUND');
            const listed = await listRoomMembers(db, { roomId, memberId, ...page }).then(
              (answer) => answer.members,
              (error: unknown) => (error as { code: string }).code,
            );
            const inOrder = inRoom(index)
              .sort((a, b) => a.joined - b.joined || (a.memberId < b.memberId ? -1 : 1))
              .map((one) => ({ memberId: one.memberId, owner: one.owner, joinedAt: later(one.joined) }));
            t.deepEqual(listed, seen ? inOrder : 'ROOM_NOT_FOUND');
            found.rooms += seen ? 1 : 0;
            found.members += seen ? inOrder.length : 0;
          }
        }
        for (const [index, roomId] of ids.entries()) {
          const all = messages.last.filter((s) => s.at === index && s.state).sort((a, b) => a.nth - b.nth);
          const told = all.map((s) => sampleMessage(roomId, messageId(index, s.nth), s.version, said(s)));
          t.deepEqual((await listRoomMessages(db, { roomId, after: 0, limit: 100 })).messages, isGone(index) ? [] : told);
          found.messages += isGone(index) ? 0 : told.length;
          found.gone += isGone(index) ? 1 : 0;
          found.outlived += isGone(index) ? told.length : 0;
        }
        // At the same time, one transaction may have missed what the other wrote.
        if (atOnce) await tidy(db);
        const gone = ids.filter((_, index) => isGone(index));
        const left = sql`room_id = any(${gone}::text[])`;
        t.deepEqual(
          await db.query(sql`select id from room_members where ${left} union select id from messages where ${left}`),
          [],
        );
      },
    ),
    { numRuns: 150 },
  );
  t.true(
    Object.values(found).every((count) => count > 20),
    JSON.stringify(found),
  );
});
