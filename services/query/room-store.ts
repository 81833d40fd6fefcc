import { type Database, fieldOf, fieldsOf, nullsAbsent, type Query, sql } from '#platform/postgres/database.ts';
import type { Message } from '#proto/musubi/chat/v1/chat.ts';
import type { RoomMemberView, RoomView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { messages } from './projections/messages.ts';
import { rooms } from './projections/rooms.ts';

// Rooms, who is in them and what was said there, as they are read. What is gone with its room is not read, also while its row is still there.

/** The rooms that are there with those in them, of whom each sees them as they are to it. */
const ROOMS = sql`room_members me join rooms r on r.id = me.room_id and r.gone_at is null`;
const inRoom = (memberId: string): Query => sql`me.member_id = ${memberId} and me.gone_at is null`;
const ROOM_VIEW = sql`
  select r.id as "roomId", r.version, ${fieldsOf(rooms.columns.map(fieldOf), 'r')}, me.owner as owned,
    (select count(*) from room_members o where o.room_id = r.id and o.gone_at is null) as "memberCount",
    case when r.kind = 'ROOM_KIND_DIRECT'
      then array(select o.member_id from room_members o where o.room_id = r.id and o.gone_at is null order by o.member_id)
      else '{}' end as "memberIds"
  from ${ROOMS}`;

/** @returns undefined where the member is not in it. @throws CALLER_GONE once the signal has aborted */
export async function findRoom(
  db: Database,
  roomId: string,
  memberId: string,
  signal?: AbortSignal,
): Promise<RoomView | undefined> {
  const [row] = await db.query<RoomView>(sql`${ROOM_VIEW} where ${inRoom(memberId)} and me.room_id = ${roomId}`, signal);
  return row;
}

/** Whether the room is there, with the member in it. @throws CALLER_GONE once the signal has aborted */
export async function isInRoom(db: Database, roomId: string, memberId: string, signal?: AbortSignal): Promise<boolean> {
  const rows = await db.query(sql`select from ${ROOMS} where ${inRoom(memberId)} and me.room_id = ${roomId}`, signal);
  return rows.length > 0;
}

/** The rooms that a member is in, in the order of their IDs. */
export const roomsPage = (memberId: string, { after, limit }: Page): Query => sql`
  ${ROOM_VIEW} where ${inRoom(memberId)} and me.room_id > ${after?.id ?? ''} order by me.room_id limit ${limit}`;

/** Who is in a room that is there, in the order in which they joined. */
export const roomMembersPage = (roomId: string, { after, limit }: Page): Query => sql`
  select member_id as "memberId", owner, joined_at as "joinedAt" from room_members
  where room_id = ${roomId} and gone_at is null
    ${after ? sql`and (joined_at, member_id) > (${new Date(after.name)}::timestamptz, ${after.id})` : sql``}
  order by joined_at, member_id limit ${limit}`;

/** @throws CALLER_GONE once the signal has aborted */
export const roomMembersOf = (db: Database, roomId: string, page: Page, signal?: AbortSignal): Promise<RoomMemberView[]> =>
  db.query(roomMembersPage(roomId, page), signal);

/** Which messages of a room are read: those before or after a place, or the last ones. */
export interface Messages {
  roomId: string;
  before?: number | undefined;
  after?: number | undefined;
  limit: number;
}

/** Of a message's columns those that are shown; the others are what it is found by. */
const MESSAGE_FIELDS = messages.columns.filter((column) => column !== 'people').map(fieldOf);

/** After a place the oldest come first, else the newest. A room of which nothing was told yet is none that is gone. */
export function messagesPage({ roomId, before, after, limit }: Messages): Query {
  const from = before === undefined ? sql`true` : sql`m.sequence < ${before}`;
  const [place, order] = after === undefined ? [from, sql`desc`] : [sql`m.sequence > ${after}`, sql`asc`];
  return sql`
    select m.id as "messageId", m.version, ${fieldsOf(MESSAGE_FIELDS, 'm')} from messages m
    where m.room_id = ${roomId} and m.gone_at is null and ${place}
      and not exists (select from rooms r where r.id = ${roomId} and r.gone_at is not null)
    order by m.sequence ${order} limit ${limit}`;
}

/** @throws CALLER_GONE once the signal has aborted */
export const messagesOf = async (db: Database, which: Messages, signal?: AbortSignal): Promise<Message[]> =>
  (await db.query<Message>(messagesPage(which), signal)).map(nullsAbsent);
