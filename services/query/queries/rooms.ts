import { z } from 'zod';
import type { Database } from '#platform/postgres/database.ts';
import type {
  GetRoomRequest,
  ListRoomMembersRequest,
  ListRoomMembersResponse,
  ListRoomMessagesRequest,
  ListRoomMessagesResponse,
  ListRoomsRequest,
  ListRoomsResponse,
  RoomView,
} from '#proto/musubi/query/v1/query.ts';
import { requireLimit } from '../domain.ts';
import { placed } from '../listing.ts';
import { beforeAndAfter, roomNotFound } from '../refusals.ts';
import { findRoom, isInRoom, messagesOf, roomMembersOf, roomsPage } from '../room-store.ts';
import { paged } from './paged.ts';

/** No aggregate has an ID with NUL, which PostgreSQL does not take either. */
const isNowhere = (...ids: readonly string[]): boolean => ids.some((id) => id.includes('\0'));

/** @throws ROOM_NOT_FOUND, also for one that who asks is not in; CALLER_GONE */
export async function getRoom(db: Database, { roomId, memberId }: GetRoomRequest, signal?: AbortSignal): Promise<RoomView> {
  const room = isNowhere(roomId, memberId) ? undefined : await findRoom(db, roomId, memberId, signal);
  if (!room) throw roomNotFound();
  return room;
}

/** A page of the rooms that a member is in. @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, CALLER_GONE */
export async function listRooms(
  db: Database,
  { memberId, ...page }: ListRoomsRequest,
  signal?: AbortSignal,
): Promise<ListRoomsResponse> {
  const { items, nextPageToken } = await paged(
    ['\0rooms', memberId],
    page,
    async (page) => (isNowhere(memberId) ? [] : await db.query<RoomView>(roomsPage(memberId, page), signal)),
    ({ roomId }) => ({ name: '', id: roomId }),
  );
  return { rooms: items, nextPageToken };
}

/**
 * A page of who is in a room, in the order in which they joined.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, CALLER_GONE; ROOM_NOT_FOUND, also for one that who asks is not in
 */
export async function listRoomMembers(
  db: Database,
  { roomId, memberId, ...page }: ListRoomMembersRequest,
  signal?: AbortSignal,
): Promise<ListRoomMembersResponse> {
  if (isNowhere(roomId, memberId) || !(await isInRoom(db, roomId, memberId, signal))) throw roomNotFound();
  const { items, nextPageToken } = await paged(
    ['\0members of room', roomId],
    page,
    (page) => roomMembersOf(db, roomId, page, signal),
    ({ joinedAt, memberId }) => ({ name: placed(joinedAt), id: memberId }),
    z.iso.datetime(),
  );
  return { members: items, nextPageToken };
}

/**
 * What was said in a room, from a place on or from its end, those that were deleted among it. Of a room that is not there it is nothing.
 *
 * @throws INVALID_ARGUMENT, CALLER_GONE
 */
export async function listRoomMessages(
  db: Database,
  { limit, ...which }: ListRoomMessagesRequest,
  signal?: AbortSignal,
): Promise<ListRoomMessagesResponse> {
  const { roomId, before, after } = which;
  if (before !== undefined && after !== undefined) throw beforeAndAfter();
  const most = requireLimit(limit);
  return { messages: isNowhere(roomId) ? [] : await messagesOf(db, { ...which, limit: most }, signal) };
}
