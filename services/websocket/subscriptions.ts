import { MusubiError } from '#platform/errors.ts';
import type { SessionContext } from './admission.ts';
import { parseTopic } from './domain.ts';
import type { Feed } from './feed.ts';
import { type Identity, jobNotFound, leftOf, mayReadJob, type OthersJobs, unreadable } from './identity.ts';

/** Why a topic was refused; or of a granted one the job, where it is one of another member. */
export type Decision = { refusal: MusubiError['told'] } | { others?: { jobId: string; ownerId: string } };

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
  const unknown: { name: string; jobId: string }[] = [];
  const refuse = (name: string, refusal: MusubiError['told']) => decisions.set(name, { refusal });
  let refused = 0;
  for (const name of new Set(topics)) {
    const topic = parseTopic(name);
    if (topic?.kind === 'member' || held.includes(name)) decisions.set(name, {});
    else if (topic && held.length + unknown.length < topicsPerSocket) {
      decisions.set(name, {});
      unknown.push({ name, jobId: topic.jobId });
    } else {
      refused++;
      if (topic) refuse(name, { code: 'TOO_MANY_TOPICS', message: `A socket may have ${topicsPerSocket} topics.` });
      else refuse(name, { code: 'TOPIC_UNKNOWN', message: 'There is no such topic.' });
    }
  }
  const allowance = context.hub.topicsOf(identity.memberId, context.limits);
  await allowance.pay(unknown.length + refused, ending);
  let unasked = unknown.length;
  const closings = unknown.length > 0 ? await unlessRefused(() => context.store.closings()) : 0;

  let away = closings instanceof MusubiError ? closings : undefined;
  const others = new Map<string, { jobId: string; ownerId: string }>();
  const queue = unknown.values();
  const ask = async (): Promise<void> => {
    for (const { name, jobId } of queue) {
      if (ending.aborted) return;
      unasked--;
      // A server that is away is not waited for again with every topic.
      const found = away ?? (await ownerOf(jobId, identity, context));
      if (found instanceof MusubiError) {
        if (found.retryable) away = found;
        refuse(name, found.told);
      } else if (found !== identity.memberId) others.set(name, { jobId, ownerId: found });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  // Or a client that comes and goes would owe for what it never had.
  allowance.credit(unasked + (ending.aborted ? refused : 0));
  if (ending.aborted) return decisions;
  if (others.size === 0 || closings instanceof MusubiError) return decisions;
  const followed = await unlessRefused(() => followGranted(others, closings, identity, context));
  for (const [name, job] of others) {
    if (followed instanceof MusubiError) refuse(name, followed.told);
    else if (followed.has(name)) decisions.set(name, { others: job });
    else refuse(name, jobNotFound().told);
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
 * Keeps the events of other members' jobs coming to the member, also while the client is away for a while. Those of its own have them
 * anyway.
 *
 * @param closings the last one before Auth was asked about these jobs; default: it was not asked
 * @returns false, and they do not come, when what the member may follow was narrowed after Auth was asked
 */
async function follow(
  jobs: OthersJobs,
  identity: Identity,
  { store, keptMs }: SessionContext,
  closings?: number,
): Promise<boolean> {
  if (jobs.size === 0) return true;
  const jobIds = [...jobs.values()].map(({ jobId }) => jobId);
  return await store.subscribe(jobIds, identity.memberId, leftOf(identity) + keptMs, closings);
}

/** Follows what Auth has granted; where that may not hold any more, Auth is asked again. @returns what is followed */
async function followGranted(
  granted: OthersJobs,
  closings: number,
  identity: Identity,
  context: SessionContext,
): Promise<OthersJobs> {
  if (await follow(granted, identity, context, closings)) return granted;
  const now = await context.store.closings();
  const refused = await unreadable(context.peers, identity, granted);
  const left = new Map([...granted].filter(([topic]) => !refused.includes(topic)));
  return await followGranted(left, now, identity, context);
}

/** Keeps the events of a socket's topics coming with a new token. */
export async function remember(feed: Feed, identity: Identity, context: SessionContext): Promise<void> {
  await follow(feed.others, identity, context);
}
