import { kept } from '#platform/validation/fields.ts';
import { requireId } from '#platform/validation/id.ts';
import { DIRECT_MEMBERS, emoji, MOST_FIRST_MEMBERS, messageText, roomName } from '#platform/validation/room-fields.ts';
import { invalidMembers } from './refusals.ts';

// Rooms, who is in them, and what is said there. A job takes a room (`lockHolder`), with what it will make of it (`pending`): others see all as it
// was until that is committed.

/** `direct`: that of exactly those who are in it. */
export type Kind = 'room' | 'direct';

export interface Room {
  roomId: string;
  kind: Kind;
  /** Empty: of a direct one. */
  name: string;
  /** 0 while it is being created, and others do not see it; grows with every change, also of who is in it. */
  version: number;
  /** The job that is changing it; null: nobody. */
  lockHolder: string | null;
  /** What it will make of it. */
  pending: RoomChange | null;
  createdAt: Date;
  updatedAt: Date;
}

/** That a member is in a room. */
export interface Place {
  joinedAt: Date;
  owner: boolean;
  /** That of the room, when this was changed last. */
  version: number;
}

/** Those who are in a room. */
export type Places = ReadonlyMap<string, Place>;

/** What a job will make of a room. `stay`: nothing. */
export type RoomChange =
  | { change: 'create'; ownerId: string | null; memberIds: string[] }
  | { change: 'update'; name: string }
  | { change: 'add'; memberId: string }
  | { change: 'remove'; memberId: string }
  | { change: 'delete' }
  | { change: 'stay' };

/** A message as it is kept, and told. */
export interface Message {
  messageId: string;
  roomId: string;
  sequence: number;
  /** Empty: who said it is gone. */
  memberId: string;
  /** Empty once it is deleted. */
  text: string;
  replyToId?: string | undefined;
  reactions: Reaction[];
  createdAt: Date;
  /** Undefined: it is as it was said. */
  editedAt: Date | undefined;
  /** Undefined: it is not. */
  deletedAt: Date | undefined;
  version: number;
}

export interface Reaction {
  emoji: string;
  memberIds: string[];
}

/** Numbers of a room that no message has. */
export interface Gap {
  first: number;
  last: number;
}

/** The name in the form in which it is kept. @throws INVALID_ROOM */
export const tidyName = (given: string): string => kept({ name: roomName }, { name: given }, 'INVALID_ROOM').name ?? '';

/** @throws INVALID_MESSAGE */
export const tidyText = (given: string): string => kept({ text: messageText }, { text: given }, 'INVALID_MESSAGE').text ?? '';

/** @throws INVALID_EMOJI */
export const tidyEmoji = (given: string): string => kept({ emoji }, { emoji: given }, 'INVALID_EMOJI').emoji ?? '';

/** @throws INVALID_ARGUMENT */
export function requireIds(ids: Readonly<Record<string, string>>): void {
  for (const [field, id] of Object.entries(ids)) requireId(field, id);
}

/** Those who are in a room from the beginning, beside its owner, each once. @throws INVALID_ARGUMENT */
export function requireFirst(ownerId: string, memberIds: readonly string[]): string[] {
  const all = eachOnce(memberIds).filter((id) => id !== ownerId);
  if (all.length > MOST_FIRST_MEMBERS) throw invalidMembers(0, MOST_FIRST_MEMBERS);
  return all;
}

/** Those who talk in a direct room, in the order of their IDs. @throws INVALID_ARGUMENT */
export function requireDirect(memberIds: readonly string[]): string[] {
  const all = eachOnce(memberIds);
  const { least, most } = DIRECT_MEMBERS;
  if (all.length < least || all.length > most) throw invalidMembers(least, most);
  return all.toSorted();
}

function eachOnce(memberIds: readonly string[]): string[] {
  for (const id of memberIds) requireId('memberIds', id);
  return [...new Set(memberIds)];
}

/**
 * The version after a change. Where a replica has taken the place of a server, changes may be lost that readers know of: no version of an epoch is
 * one that an earlier epoch gave.
 *
 * @param epoch the number of the partition's epoch: ms since 1970, at least, when it began
 */
export const nextVersion = (before: number, epoch: number): number => Math.max(before + 1, epoch * VERSIONS_PER_MS);

/** Nothing is changed as often. */
export const VERSIONS_PER_MS = 1_000;

/** The same room, held by no job. */
export const freed = (room: Room): Room => ({ ...room, lockHolder: null, pending: null });

/**
 * Those who are in a room after a change of it. Where no owner is left, who has been in it for longest owns it.
 *
 * @param room as it is from then on
 * @returns also those whose place is another one than before; null: there is nobody left
 */
export function placesAfter(
  before: Places,
  change: RoomChange,
  { version, updatedAt: joinedAt }: Pick<Room, 'version' | 'updatedAt'>,
): { after: Map<string, Place>; changed: string[] } | null {
  const after = new Map(before);
  if (change.change === 'create')
    for (const id of [...(change.ownerId === null ? [] : [change.ownerId]), ...change.memberIds])
      after.set(id, { joinedAt, owner: id === change.ownerId, version });
  if (change.change === 'add') after.set(change.memberId, { joinedAt, owner: false, version });
  if (change.change === 'remove') {
    const gone = after.get(change.memberId);
    after.delete(change.memberId);
    const [eldest] = [...after].toSorted(byJoining);
    if (!eldest) return null;
    if (gone?.owner && ![...after.values()].some(({ owner }) => owner))
      after.set(eldest[0], { ...eldest[1], owner: true, version });
  }
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (id) => before.get(id)?.version !== after.get(id)?.version,
  );
  return { after, changed };
}

const byJoining = ([one, a]: [string, Place], [other, b]: [string, Place]): number =>
  a.joinedAt.getTime() - b.joinedAt.getTime() || (one < other ? -1 : 1);

/** How many of these numbers no message has: those after `after`, up to `last`. */
export const missingIn = (gaps: readonly Gap[], after: number, last: number): number =>
  gaps.reduce((sum, gap) => sum + Math.max(0, Math.min(gap.last, last) - Math.max(gap.first, after + 1) + 1), 0);

/** How many messages of a room come after a number. */
export const countAfter = (after: number, last: number, gaps: readonly Gap[]): number =>
  Math.max(0, last - after) - missingIn(gaps, after, last);
