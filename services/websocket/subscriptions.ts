import { MusubiError } from '#platform/errors.ts';
import type { SessionContext } from './admission.ts';
import { parseTopic } from './domain.ts';
import type { Feed } from './feed.ts';
import { type Identity, leftOf, mayReadJob } from './identity.ts';

/** Why a topic was refused; or of a granted one whether it is of a job of another member. */
export type Decision = { refusal: MusubiError['told'] } | { isOthers: boolean };

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
    if (topic?.kind === 'member' || held.includes(name)) decisions.set(name, { isOthers: false });
    else if (topic && held.length + unknown.length < topicsPerSocket) {
      decisions.set(name, { isOthers: false });
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

  let away: MusubiError | undefined;
  const others: { name: string; jobId: string }[] = [];
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
      } else if (found !== identity.memberId) others.push({ name, jobId });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  // Or a client that comes and goes would owe for what it never had.
  allowance.credit(unasked + (ending.aborted ? refused : 0));
  if (ending.aborted) return decisions;
  const jobIds = others.map(({ jobId }) => jobId);
  const error = await unlessRefused(() => follow(jobIds, identity, context));
  for (const { name } of others) decisions.set(name, error ? { refusal: error.told } : { isOthers: true });
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
 */
async function follow(jobIds: readonly string[], identity: Identity, { store, keptMs }: SessionContext): Promise<void> {
  if (jobIds.length > 0) await store.subscribe(jobIds, identity.memberId, leftOf(identity) + keptMs);
}

/** Keeps the events of a socket's topics coming with a new token. */
export async function remember(feed: Feed, identity: Identity, context: SessionContext): Promise<void> {
  const topics = feed.others.map(parseTopic);
  await follow(
    topics.flatMap((topic) => (topic?.kind === 'job' ? [topic.jobId] : [])),
    identity,
    context,
  );
}
