import { status } from '@grpc/grpc-js';
import { type MusubiError, notFound } from '#platform/errors.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { frameActions } from './frames.ts';
import type { Identity, Peers } from './identity.ts';

/** A job of another member. */
export interface OthersJob {
  jobId: string;
  ownerId: string;
}

/** What a client may have of what is said in a group's topic. */
export interface Sight {
  members: boolean;
  positions: boolean;
}

export interface SeenGroup {
  groupId: string;
  sight: Sight;
}

/** What is not the member's own, and followed by a permission; by its topic. */
export type Thing = OthersJob | SeenGroup;
export type Things<T extends Thing = Thing> = ReadonlyMap<string, T>;

/** What it takes to read a job of another member. */
const READ_JOB = frameActions.subscribe;
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

export const groupNotFound = (): MusubiError => notFound('GROUP_NOT_FOUND', 'there is no such group, or it is not yours to see');

/** In the same words as one that does not exist. */
export const thingNotFound = (thing: Thing): MusubiError => ('jobId' in thing ? jobNotFound() : groupNotFound());

/** What it takes to follow a group, and to hear of its members and of its positions. */
export const GROUP_ACTIONS = ['group.read', 'group.list-members', 'position.list'] as const satisfies readonly Action[];

interface Question {
  action: Action;
  resource: { type: string; id: string; ownerId: string };
  goneFrom?: string | undefined;
}

const groupQuestion = (action: Action, groupId: string): Question => ({
  action,
  resource: { type: 'Group', id: groupId, ownerId: '' },
});

const questionsOf = (thing: Thing): Question[] =>
  'jobId' in thing
    ? [{ action: READ_JOB, resource: jobResource(thing.jobId, thing.ownerId) }]
    : GROUP_ACTIONS.map((action) => groupQuestion(action, thing.groupId));

/** As many as Auth answers at once. */
const MOST_AT_ONCE = 100;

/** @throws as `auth.Authenticate` */
async function answersOf(peers: Peers, { token }: Identity, questions: readonly Question[]): Promise<boolean[]> {
  const parts = Array.from({ length: Math.ceil(questions.length / MOST_AT_ONCE) }, (_, part) =>
    questions.slice(part * MOST_AT_ONCE, (part + 1) * MOST_AT_ONCE),
  );
  const answers = await Promise.all(parts.map((checks) => peers.auth.check({ accessToken: token, checks })));
  return answers.flatMap(({ allowed }) => allowed);
}

/**
 * Asks Auth about all of these at once.
 *
 * @returns those that the client may follow, as it may now
 * @throws as `auth.Authenticate`
 */
export async function allowedOf<T extends Thing>(peers: Peers, identity: Identity, things: Things<T>): Promise<Map<string, T>> {
  const asked = [...things].map(([topic, thing]) => ({ topic, thing, questions: questionsOf(thing) }));
  const answers = (
    await answersOf(
      peers,
      identity,
      asked.flatMap(({ questions }) => questions),
    )
  ).values();
  const allowed = new Map<string, T>();
  for (const { topic, thing, questions } of asked) {
    const [mayFollow, members = false, positions = false] = questions.map(() => answers.next().value === true);
    if (mayFollow) allowed.set(topic, 'jobId' in thing ? thing : { ...thing, sight: { members, positions } });
  }
  return allowed;
}

/** A group about which Auth is asked. */
export interface AskedGroup {
  groupId: string;
  /** It is gone, and everybody could find it: the one that it was in. */
  goneFrom?: string;
}

/**
 * Asks Auth whether a client may read these groups.
 *
 * @returns what it says of each, in order
 * @throws as `auth.Authenticate`
 */
export const readableOf = (peers: Peers, identity: Identity, groups: readonly AskedGroup[]): Promise<boolean[]> =>
  answersOf(
    peers,
    identity,
    groups.map(({ groupId, goneFrom }) => ({ ...groupQuestion('group.read', groupId), goneFrom })),
  );
