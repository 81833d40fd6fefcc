import {
  aborted,
  failedPrecondition,
  invalidFields,
  type MusubiError,
  notFound,
  permissionDenied,
  resourceExhausted,
} from '#platform/errors.ts';
import { MOST_REACTIONS, MOST_ROOM_MEMBERS, MOST_ROOMS } from '#platform/validation/room-fields.ts';

/** There is no such room, or who asks is not in it. */
export const roomNotFound = (): MusubiError => notFound('ROOM_NOT_FOUND', 'there is no such room, or you are not in it');

/** Another job is changing it. Retryable: that job ends one day, or is undone. */
export const roomBusy = (): MusubiError => aborted('ROOM_BUSY', 'another job is changing this room');
export const notRoomOwner = (): MusubiError => permissionDenied('NOT_ROOM_OWNER', 'only who owns the room may do this');
export const directRoom = (): MusubiError =>
  failedPrecondition('DIRECT_ROOM', 'the room is that of exactly those who are in it, and stays as it is');
export const alreadyInRoom = (): MusubiError => failedPrecondition('ALREADY_IN_ROOM', 'the member is in the room already');
export const notInRoom = (): MusubiError => notFound('NOT_IN_ROOM', 'the member is not in the room');
export const tooManyRoomMembers = (): MusubiError =>
  failedPrecondition('TOO_MANY_ROOM_MEMBERS', `a room has at most ${MOST_ROOM_MEMBERS} members`);
export const tooManyRooms = (): MusubiError => failedPrecondition('TOO_MANY_ROOMS', `a member is in at most ${MOST_ROOMS} rooms`);
export const versionMismatch = (): MusubiError =>
  failedPrecondition('VERSION_MISMATCH', 'it is another version by now: read it again');
export const notBegun = (): MusubiError => failedPrecondition('LOCK_NOT_HELD', 'this job has not begun to change this room');
export const idTaken = (): MusubiError => aborted('CONFLICT', 'there is a room with this ID already');

export const messageNotFound = (): MusubiError =>
  notFound('MESSAGE_NOT_FOUND', 'the room has no such message, or it was deleted');
export const notAuthor = (): MusubiError => permissionDenied('NOT_AUTHOR', 'somebody else said it');
export const keyReused = (): MusubiError =>
  failedPrecondition('IDEMPOTENCY_KEY_REUSED', 'this idempotency key was used for another message', {
    fields: [{ field: 'idempotencyKey', code: 'TAKEN', message: 'was used for another message; use a new one' }],
  });
export const tooManyMessages = (retryAfterSeconds: number): MusubiError =>
  resourceExhausted('TOO_MANY_MESSAGES', 'you have written too much of late', { retryAfterSeconds });
export const tooManyReactions = (): MusubiError =>
  failedPrecondition('TOO_MANY_REACTIONS', `a message has at most ${MOST_REACTIONS} different emoji`);
export const sequenceAhead = (last: number): MusubiError =>
  failedPrecondition('SEQUENCE_AHEAD', `the last message of the room is number ${last}`);
export const invalidLimit = (most: number): MusubiError => invalidFields([{ field: 'limit', message: `must be 1 to ${most}` }]);
export const invalidMembers = (least: number, most: number): MusubiError =>
  invalidFields([{ field: 'memberIds', message: `must name ${least} to ${most} members` }]);
export const tooManyRoomIds = (most: number): MusubiError =>
  invalidFields([{ field: 'roomIds', message: `must have at most ${most} entries` }]);
