import { MusubiError } from '#platform/errors.ts';
import type { SessionContext } from './admission.ts';
import { parseTopic } from './domain.ts';
import type { Feed } from './feed.ts';
import type { ServerFrame } from './frames.ts';
import { type Identity, mayReadJob } from './identity.ts';

/** Why a topic was refused, as the frame that says so. */
export type Refusal = Extract<ServerFrame, { type: 'error' }>;

/**
 * Subscribes a client to a topic, if it may.
 *
 * @returns why not; undefined when it is subscribed
 */
export async function subscribeTo(
  topicName: string,
  feed: Feed,
  identity: Identity,
  { peers, store, limits, keptMs }: SessionContext,
): Promise<Refusal | undefined> {
  const refuse = (code: string, message: string): Refusal => ({ type: 'error', ref: topicName, code, message });
  const topic = parseTopic(topicName);
  if (!topic) return refuse('TOPIC_UNKNOWN', 'there is no such topic');
  if (topic.kind === 'member' || feed.topics.includes(topicName)) return undefined;
  if (feed.topics.length >= limits.topicsPerSocket)
    return refuse('TOO_MANY_TOPICS', `a socket may have ${limits.topicsPerSocket} topics`);
  try {
    const owner = await mayReadJob(peers, identity, topic.jobId);
    // The owner's events have it anyway.
    if (owner !== identity.memberId) await store.subscribe(topic.jobId, identity.memberId, identity.expiresAt + keptMs);
  } catch (error) {
    if (!(error instanceof MusubiError)) throw error;
    return refuse(error.code, error.message);
  }
  feed.add(topicName);
  return undefined;
}

/** Keeps the events of subscribed jobs coming to the member, also while the client is away for a while. */
export async function remember(feed: Feed, { memberId, expiresAt }: Identity, { store, keptMs }: SessionContext): Promise<void> {
  for (const name of feed.topics) {
    const topic = parseTopic(name);
    if (topic?.kind === 'job') await store.subscribe(topic.jobId, memberId, expiresAt + keptMs);
  }
}
