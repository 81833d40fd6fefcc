import { setTimeout as sleep } from 'node:timers/promises';
import { MusubiError } from '#platform/errors.ts';
import type { SessionContext } from './admission.ts';
import { parseTopic } from './domain.ts';
import type { Feed } from './feed.ts';
import { type Identity, leftOf, mayReadJob } from './identity.ts';

/** Why a topic was refused. */
export type Refusal = MusubiError['told'];

/** How many topics of one subscribe are asked about at once. */
const AT_ONCE = 10;

/**
 * Finds out which of these topics a client may have, and sees to it that their events come to its member.
 * Each that is asked about costs its member, granted or not; who has used up its allowance waits.
 *
 * @param held the topics that it has already
 * @param ending aborts when the socket closes: open questions are then dropped, and their decisions are not used
 * @returns the topics in their order, each with why it was refused; undefined when it was not
 */
export async function decideOn(
  topics: Iterable<string>,
  held: readonly string[],
  identity: Identity,
  context: SessionContext,
  ending: AbortSignal,
): Promise<Map<string, Refusal | undefined>> {
  const { topicsPerSocket } = context.limits;
  const decisions = new Map<string, Refusal | undefined>();
  const unknown: { name: string; jobId: string }[] = [];
  for (const name of new Set(topics)) {
    const topic = parseTopic(name);
    if (!topic) decisions.set(name, { code: 'TOPIC_UNKNOWN', message: 'There is no such topic.' });
    else if (topic.kind === 'member' || held.includes(name)) decisions.set(name, undefined);
    else if (held.length + unknown.length < topicsPerSocket) {
      decisions.set(name, undefined);
      unknown.push({ name, jobId: topic.jobId });
    } else decisions.set(name, { code: 'TOO_MANY_TOPICS', message: `A socket may have ${topicsPerSocket} topics.` });
  }
  const allowance = context.hub.topicsOf(identity.memberId, context.limits);
  await sleep(allowance.spend(unknown.length), undefined, { ref: false, signal: ending }).catch(() => undefined);
  let unasked = unknown.length;

  let away: MusubiError | undefined;
  const queue = unknown.values();
  const ask = async (): Promise<void> => {
    for (const { name, jobId } of queue) {
      if (ending.aborted) return;
      unasked--;
      // A server that is away is not waited for again with every topic.
      const error = away ?? (await refusedBy(jobId, identity, context));
      if (error?.retryable) away = error;
      if (error) decisions.set(name, error.told);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  // Or a client that comes and goes would owe for what it never had.
  allowance.credit(unasked);
  return decisions;
}

/** Why the client gets no events of the job; undefined when it does. */
async function refusedBy(
  jobId: string,
  identity: Identity,
  { peers, store, keptMs }: SessionContext,
): Promise<MusubiError | undefined> {
  try {
    const owner = await mayReadJob(peers, identity, jobId);
    // The owner's events have it anyway.
    if (owner !== identity.memberId) await store.subscribe(jobId, identity.memberId, leftOf(identity) + keptMs);
  } catch (error) {
    if (!(error instanceof MusubiError)) throw error;
    return error;
  }
  return undefined;
}

/** Keeps the events of subscribed jobs coming to the member, also while the client is away for a while. */
export async function remember(feed: Feed, identity: Identity, { store, keptMs }: SessionContext): Promise<void> {
  for (const name of feed.topics) {
    const topic = parseTopic(name);
    if (topic?.kind === 'job') await store.subscribe(topic.jobId, identity.memberId, leftOf(identity) + keptMs);
  }
}
