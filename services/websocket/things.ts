import { status } from '@grpc/grpc-js';
import { MusubiError, notFound } from '#platform/errors.ts';
import { isId } from '#platform/validation/id.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Cursor } from './domain.ts';
import { frameActions } from './frames.ts';
import type { Identity, Peers } from './identity.ts';

/** A job of another member. */
export interface OthersJob {
  jobId: string;
  ownerId: string;
}

/** What it takes to hear what is said in a group's topic, besides that the group may be read: what the lists of these take. */
const SIGHTS = {
  members: 'group.list-members',
  positions: 'position.list',
  requests: 'group.list-requests',
  invitations: 'group.list-invitations',
} as const satisfies Record<string, Action>;

/** What a client may have of what is said in a group's topic. */
export type Sight = Readonly<Record<keyof typeof SIGHTS, boolean>>;

export const NO_SIGHT: Sight = { members: false, positions: false, requests: false, invitations: false };
const KINDS = Object.keys(SIGHTS) as (keyof Sight)[];

const sightOf = (has: (kind: keyof Sight, at: number) => boolean): Sight =>
  Object.fromEntries(KINDS.map((kind, at) => [kind, has(kind, at)])) as Sight;

/** What is in both. */
export const bothOf = (some: Sight, other: Sight): Sight => sightOf((kind) => some[kind] && other[kind]);

/** Whether one has what the other has not. */
export const isWider = (one: Sight, other: Sight): boolean => KINDS.some((kind) => one[kind] && !other[kind]);

/** The same as letters. */
export const lettersOf = (sight: Sight): string => KINDS.map((kind) => (sight[kind] ? kind.charAt(0) : '')).join('');

/** What it takes that is the same of all that is followed together with others. */
interface Seen {
  sight: Sight;
  /** Of the answer by which it has that: of Auth, or of Chat. */
  stamp?: string;
  /** Since when the member has had that sight without a break: of what was said before, nothing is told. Absent: since now. */
  from?: Cursor;
  /** Why it is not known whether the client may follow it still: it is told nothing before that is known. */
  away?: MusubiError;
}

export interface SeenGroup extends Seen {
  groupId: string;
}

/** A room that the client's member is in. */
export interface SeenRoom extends Seen {
  roomId: string;
}

/** What is followed together with others. */
export type Shared = SeenGroup | SeenRoom;

/** What is not the member's own, and followed by a permission; by its topic. */
export type Thing = OthersJob | Shared;
export type Things<T extends Thing = Thing> = ReadonlyMap<string, T>;

/** What it takes to read a job of another member. */
const READ_JOB = frameActions.subscribe.job;
const jobResource = (id: string, ownerId: string) => ({ type: 'Job', id, ownerId });

/**
 * Refuses a job that the client may not read, in the same words as one that does not exist.
 *
 * @param ownerId when it is known
 * @returns the job's owner
 * @throws NOT_FOUND `JOB_NOT_FOUND`, or an error that says that a service is away
 */
export async function mayReadJob(peers: Peers, { memberId, token }: Identity, jobId: string, ownerId?: string): Promise<string> {
  const owner = ownerId ?? (await peers.job.getJob({ jobId })).job?.memberId ?? '';
  if (owner === memberId) return owner;
  try {
    await peers.auth.authorize({ accessToken: token, action: READ_JOB, resource: jobResource(jobId, owner) });
  } catch (error) {
    if ((error as MusubiError).grpcStatus !== status.PERMISSION_DENIED) throw error;
    throw jobNotFound(error);
  }
  return owner;
}

export const jobNotFound = (cause?: unknown): MusubiError =>
  notFound('JOB_NOT_FOUND', 'there is no such job; finished jobs are kept for a limited time', { cause });

const groupNotFound = (): MusubiError => notFound('GROUP_NOT_FOUND', 'there is no such group, or it is not yours to see');

const roomNotFound = (): MusubiError => notFound('ROOM_NOT_FOUND', 'there is no such room, or you are not in it');

/** In the same words as one that does not exist. */
export function thingNotFound(thing: Thing): MusubiError {
  if ('jobId' in thing) return jobNotFound();
  return 'groupId' in thing ? groupNotFound() : roomNotFound();
}

/** What it takes to follow a group, and to hear of what is in it. */
export const GROUP_ACTIONS = [frameActions.subscribe.group, ...Object.values(SIGHTS)] as const satisfies readonly Action[];

interface Question {
  action: Action;
  resource: { type: string; id: string; ownerId: string };
  goneFrom?: string | undefined;
}

const groupQuestion = (action: Action, groupId: string): Question => ({
  action,
  resource: { type: 'Group', id: groupId, ownerId: '' },
});

export const roomResource = (id: string) => ({ type: 'Room', id, ownerId: '' });

const memberResource = (id: string) => ({ type: 'Member', id, ownerId: '' });

function questionsOf(thing: Thing): Question[] {
  if ('jobId' in thing) return [{ action: READ_JOB, resource: jobResource(thing.jobId, thing.ownerId) }];
  if ('roomId' in thing) return [{ action: frameActions.subscribe.room, resource: roomResource(thing.roomId) }];
  return GROUP_ACTIONS.map((action) => groupQuestion(action, thing.groupId));
}

/** As many as Auth, and Chat, answer at once. */
const MOST_AT_ONCE = 100;

const inParts = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / MOST_AT_ONCE) }, (_, part) =>
    all.slice(part * MOST_AT_ONCE, (part + 1) * MOST_AT_ONCE),
  );

/** In which of these rooms the client's member is, each with the version of its place; or why Chat does not say. */
async function placesOf(
  { chat }: Pick<Peers, 'chat'>,
  { memberId }: Identity,
  things: Iterable<Thing>,
): Promise<ReadonlyMap<string, number> | MusubiError> {
  const roomIds = [...things].flatMap((thing) => ('roomId' in thing && isId(thing.roomId) ? [thing.roomId] : []));
  try {
    const answers = await Promise.all(inParts(roomIds).map((part) => chat.listPlaces({ memberId, roomIds: part })));
    return new Map(answers.flatMap(({ places }) => places.map(({ roomId, version }) => [roomId, version] as const)));
  } catch (error) {
    if (error instanceof MusubiError) return error;
    throw error;
  }
}

interface Answers {
  allowed: boolean[];
  /** Of each, what would be another one if what the answer goes by had changed; none, where they are not asked for. */
  stamps: string[];
}

/** @throws as `auth.Authenticate` */
async function answersOf(
  peers: Peers,
  { token }: Identity,
  questions: readonly Question[],
  { stamped = false } = {},
): Promise<Answers> {
  const answers = await Promise.all(
    inParts(questions).map((checks) => peers.auth.check({ accessToken: token, checks, stamped })),
  );
  return { allowed: answers.flatMap(({ allowed }) => allowed), stamps: answers.flatMap(({ stamps }) => stamps) };
}

/**
 * Asks Auth about all of these at once, and Chat who is in the rooms among them.
 *
 * @returns those that the client may follow, as it may now; of rooms while Chat does not answer, that this is so
 * @throws as `auth.Authenticate`
 */
export async function allowedOf<T extends Thing>(peers: Peers, identity: Identity, things: Things<T>): Promise<Map<string, T>> {
  const asked = [...things].map(([topic, thing]) => ({ topic, thing, questions: questionsOf(thing) }));
  const questions = asked.flatMap(({ questions }) => questions);
  const [answers, places] = await Promise.all([
    answersOf(peers, identity, questions, { stamped: true }),
    placesOf(peers, identity, things.values()),
  ]);
  const allowed = new Map<string, T>();
  let from = 0;
  for (const { topic, thing, questions } of asked) {
    const [mayFollow, ...has] = answers.allowed.slice(from, from + questions.length);
    const stamp = answers.stamps[from] ?? '';
    from += questions.length;
    if (!mayFollow) continue;
    if ('jobId' in thing) allowed.set(topic, thing);
    else if ('roomId' in thing) {
      const room = roomSeen(thing, places);
      if (room) allowed.set(topic, room as T);
    } else {
      // Since when it has that sight, an answer does not say.
      const { groupId } = thing;
      allowed.set(topic, { groupId, stamp, sight: sightOf((_kind, at) => has[at] === true) } as T);
    }
  }
  return allowed;
}

/** What it takes to hear of a room is to be in it. */
function roomSeen({ roomId }: SeenRoom, places: ReadonlyMap<string, number> | MusubiError): SeenRoom | undefined {
  if (places instanceof MusubiError) return { roomId, sight: NO_SIGHT, away: places };
  const version = places.get(roomId);
  return version === undefined ? undefined : { roomId, sight: NO_SIGHT, stamp: `${version}` };
}

/** Whether the client's member may do that to itself. @throws as `auth.Authenticate` */
export async function mayToItself(peers: Peers, identity: Identity, action: Action): Promise<boolean> {
  const { allowed } = await answersOf(peers, identity, [{ action, resource: memberResource(identity.memberId) }]);
  return allowed[0] === true;
}

/** A group, or a member of one, about which Auth is asked. */
export type Asked =
  | {
      groupId: string;
      /** It is gone, and everybody could find it: the one that it was in. */
      goneFrom?: string;
    }
  | { memberId: string };

/**
 * Asks Auth whether a client may read these groups, and finds these members in lists.
 *
 * @returns what it says of each, in order
 * @throws as `auth.Authenticate`
 */
export async function visibleOf(peers: Peers, identity: Identity, asked: readonly Asked[]): Promise<boolean[]> {
  const questions = asked.map((one) =>
    'memberId' in one
      ? { action: 'member.list' as const, resource: memberResource(one.memberId) }
      : { ...groupQuestion('group.read', one.groupId), goneFrom: one.goneFrom },
  );
  return (await answersOf(peers, identity, questions)).allowed;
}
