import { MusubiError } from '#platform/errors.ts';
import type { SessionContext } from './admission.ts';
import { parseTopic, REGISTERED_SLACK_MS } from './domain.ts';
import { type Identity, leftOf } from './identity.ts';
import {
  allowedOf,
  lettersOf,
  mayReadJob,
  NO_SIGHT,
  type OthersJob,
  type Shared,
  type Thing,
  type Things,
  thingNotFound,
} from './things.ts';

/** Why a topic was refused; or of a granted one what is not the member's own. */
export type Decision = { refusal: MusubiError['told'] } | { thing?: Thing };

/** How many topics of one subscribe are asked about at once. */
const AT_ONCE = 10;

/**
 * Finds out which of these topics a client may have, and sees to it that their events come to its member.
 * Each that it does not have costs its member, granted or not; who has used up its allowance waits.
 *
 * @param held the topics that it has already
 * @param ending aborts when the socket closes: open questions are then dropped, and their decisions are not used
 * @returns the topics in their order
 */
export async function decideOn(
  topics: Iterable<string>,
  held: readonly string[],
  identity: Identity,
  context: SessionContext,
  ending: AbortSignal,
): Promise<Map<string, Decision>> {
  const { topicsPerSocket } = context.limits;
  const decisions = new Map<string, Decision>();
  const jobs: { name: string; jobId: string }[] = [];
  const shared = new Map<string, Shared>();
  const refuse = (name: string, refusal: MusubiError['told']) => decisions.set(name, { refusal });
  let refused = 0;
  for (const name of new Set(topics)) {
    const topic = parseTopic(name);
    if (topic?.kind === 'member' || held.includes(name)) decisions.set(name, {});
    else if (topic && held.length + jobs.length + shared.size < topicsPerSocket) {
      decisions.set(name, {});
      if (topic.kind === 'job') jobs.push({ name, jobId: topic.jobId });
      else if (topic.kind === 'group') shared.set(name, { groupId: topic.groupId, sight: NO_SIGHT });
      else shared.set(name, { roomId: topic.roomId, sight: NO_SIGHT });
    } else {
      refused++;
      if (topic) refuse(name, { code: 'TOO_MANY_TOPICS', message: `A socket may have ${topicsPerSocket} topics.` });
      else refuse(name, { code: 'TOPIC_UNKNOWN', message: 'There is no such topic.' });
    }
  }
  const allowance = context.hub.topicsOf(identity.memberId, context.limits);
  const unknown = jobs.length + shared.size;
  await allowance.pay(unknown + refused, ending);
  let unasked = unknown;
  const closings = unknown > 0 ? await unlessRefused(() => context.store.closings()) : 0;

  let away = closings instanceof MusubiError ? closings : undefined;
  const things = new Map<string, Thing>();
  const queue = jobs.values();
  const ask = async (): Promise<void> => {
    for (const { name, jobId } of queue) {
      if (ending.aborted) return;
      unasked--;
      // A server that is away is not waited for again with every topic.
      const found = away ?? (await ownerOf(jobId, identity, context));
      if (found instanceof MusubiError) {
        if (found.retryable) away = found;
        refuse(name, found.told);
      } else if (found !== identity.memberId) things.set(name, { jobId, ownerId: found });
    }
  };
  // Of groups and rooms, of which Auth and Chat know themselves, all at once.
  const askOfShared = async (): Promise<void> => {
    if (shared.size === 0 || ending.aborted) return;
    unasked -= shared.size;
    const seen = away ?? (await unlessRefused(() => allowedOf(context.peers, identity, shared)));
    for (const [name, asked] of shared) {
      const found = seen instanceof MusubiError ? seen : (seen.get(name) ?? thingNotFound(asked));
      const why = found instanceof MusubiError ? found : found.away;
      if (why) refuse(name, why.told);
      else things.set(name, found as Shared);
    }
  };
  await Promise.all([askOfShared(), ...Array.from({ length: AT_ONCE }, ask)]);
  // Or a client that comes and goes would owe for what it never had.
  allowance.credit(unasked + (ending.aborted ? refused : 0));
  if (ending.aborted) return decisions;
  if (things.size === 0 || closings instanceof MusubiError) return decisions;
  const followed = await unlessRefused(() => followGranted(things, closings, identity, context));
  for (const [name, asked] of things) {
    const thing = followed instanceof MusubiError ? undefined : followed.get(name);
    if (thing) decisions.set(name, { thing });
    else refuse(name, (followed instanceof MusubiError ? followed : thingNotFound(asked)).told);
  }
  return decisions;
}

/** The job's owner, or why the client gets no events of the job. */
const ownerOf = (jobId: string, identity: Identity, { peers }: SessionContext): Promise<string | MusubiError> =>
  unlessRefused(() => mayReadJob(peers, identity, jobId));

async function unlessRefused<T>(work: () => Promise<T>): Promise<T | MusubiError> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MusubiError)) throw error;
    return error;
  }
}

/**
 * Keeps the events of other members' jobs coming to the member, also while the client is away for a while (those of its own have them
 * anyway), and has the member asked about when what it may follow is narrowed.
 *
 * @param closings the last one before Auth was asked about these things; default: it was not asked
 * @returns false, and nothing is followed, when what the member may follow was narrowed after Auth was asked
 */
async function follow(
  things: Things,
  identity: Identity,
  { store, keptMs }: SessionContext,
  closings?: number,
): Promise<boolean> {
  if (things.size === 0) return true;
  const jobIds = [...things.values()].flatMap((thing) => ('jobId' in thing ? [thing.jobId] : []));
  const groupIds = [...things.values()].flatMap((thing) => ('groupId' in thing ? [thing.groupId] : []));
  const longer = jobIds.length > 0 ? keptMs : REGISTERED_SLACK_MS;
  return await store.subscribe({ jobIds, groupIds }, identity.memberId, leftOf(identity) + longer, closings);
}

/**
 * Notes what the member may hear of groups and rooms, so that who comes back is told what it missed, and nothing of a time in which it did not see that.
 *
 * @param asked as the store's `see` has it
 * @returns those among the things, each with since when
 */
export async function noteSight(
  things: Things,
  identity: Identity,
  { store, keptMs }: Pick<SessionContext, 'store' | 'keptMs'>,
  asked: { closings: number; goesOn: boolean },
): Promise<Map<string, Shared>> {
  const shared = [...things].flatMap(([topic, thing]) => ('sight' in thing && !thing.away ? [[topic, thing] as const] : []));
  if (shared.length === 0) return new Map();
  const sights = new Map(shared.map(([topic, { sight, stamp = '' }]) => [topic, `${lettersOf(sight)} ${stamp}`]));
  const since = await store.topics.see(identity.memberId, sights, { ...asked, forMs: leftOf(identity) + keptMs });
  return new Map(shared.map(([topic, thing], at) => [topic, { ...thing, ...(since[at] ? { from: since[at] } : {}) }]));
}

/** Follows what Auth has granted; where that may not hold any more, Auth is asked again. @returns what is followed */
async function followGranted(granted: Things, closings: number, identity: Identity, context: SessionContext): Promise<Things> {
  if (await follow(granted, identity, context, closings))
    return new Map([...granted, ...(await noteSight(granted, identity, context, { closings, goesOn: false }))]);
  const now = await context.store.closings();
  return await followGranted(await allowedOf(context.peers, identity, granted), now, identity, context);
}

/** Keeps the events of what a socket follows coming with a new token. */
export async function remember(
  others: Things<OthersJob>,
  shared: Things<Shared>,
  identity: Identity,
  context: SessionContext,
): Promise<void> {
  await follow(new Map<string, Thing>([...others, ...shared]), identity, context);
  const forMs = leftOf(identity) + REGISTERED_SLACK_MS;
  await Promise.all([...shared.keys()].map((topic) => context.hub.shared.takeUp(topic, forMs)));
}
