import { MusubiError } from '#platform/errors.ts';
import { contextFrom, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import type { Channel } from './channel.ts';
import { ANSWER_HOLDS_MS } from './domain.ts';
import type { ServerFrame } from './frames.ts';
import { closingFor, type Identity, type Peers } from './identity.ts';
import type { Entry, JobEntry, OwnEntry } from './member-events.ts';
import { observePush } from './metrics.ts';
import { jobNotFound, mayReadJob, mayToItself } from './things.ts';

/** What the events of a member need of its socket. */
interface Shares {
  readonly peers: Peers;
  readonly channel: Channel;
  /** Of the client's present token. */
  identity(): Identity;
  /** Whether the client still follows a topic. */
  has(topic: string): boolean;
  /** The client may not follow a topic any more. */
  revoke(topic: string): void;
  /** Whether the client has said where it begins: before, no frame carries a cursor. */
  hasBegun(): boolean;
}

/**
 * Sends an event among a member's own to its client, if that may hear of it now: of another's job, and of what is in a list of the member, Auth is
 * asked each time.
 *
 * @throws an error that says that a service is away
 */
export async function pushEvent(entry: Entry, topic: string, isNew: boolean, shares: Shares): Promise<void> {
  const { channel } = shares;
  if (channel.closing) return;
  if (!(await ('job' in entry ? mayHearOfJob(entry, topic, shares) : mayHear(entry, shares)))) return;
  const cursor = shares.hasBegun() ? `"cursor":"${entry.cursor}",` : '';
  const attributes = 'job' in entry ? { 'musubi.job.id': entry.jobId } : {};
  await withSpan('push to socket', { kind: SpanKind.PRODUCER, parent: contextFrom(entry.traceparent), attributes }, () => {
    // The job is JSON already, and so are the fields.
    if ('job' in entry) return channel.sendText('job', `{"type":"job","topic":"${topic}",${cursor}"job":${entry.job}}`);
    const { type, fields } = entry;
    return channel.sendText(type as ServerFrame['type'], `{"type":"${type}","topic":"${topic}",${cursor}${fields.slice(1)}`);
  });
  if (isNew) observePush(entry.time);
}

/** Whether Auth allows an event of a job now; one's own needs nothing. */
async function mayHearOfJob({ jobId, memberId }: JobEntry, topic: string, shares: Shares): Promise<boolean> {
  if (memberId === shares.identity().memberId) return true;
  await untilFresh(shares, async () => {
    try {
      await mayReadJob(shares.peers, shares.identity(), jobId, memberId);
    } catch (error) {
      if (!(error instanceof MusubiError) || error.code !== jobNotFound().code) throw error;
      shares.revoke(topic);
    }
  });
  // It may have been unsubscribed from, or revoked, meanwhile.
  return shares.has(topic);
}

async function mayHear({ needs }: OwnEntry, shares: Shares): Promise<boolean> {
  return (await untilFresh(shares, () => mayToItself(shares.peers, shares.identity(), needs))) ?? false;
}

/** Asks Auth until its answer is not too old to be gone by. @returns undefined: the session has ended, and the socket is closed */
async function untilFresh<Answer>({ channel }: Shares, ask: () => Promise<Answer>): Promise<Answer | undefined> {
  for (;;) {
    const asked = performance.now();
    try {
      const answer = await ask();
      if (performance.now() - asked <= ANSWER_HOLDS_MS) return answer;
    } catch (error) {
      if (!(error instanceof MusubiError) || error.retryable) throw error;
      channel.close(closingFor(error));
      return undefined;
    }
  }
}
