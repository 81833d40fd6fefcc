import { z } from 'zod';
import { type JobView, toJobView } from '#platform/job-view.ts';
import { type EventMessage, PoisonError } from '#platform/kafka/subscribe.ts';
import { contextFrom, currentTraceparent, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import { JobEvent as JobEventMessage } from '#proto/musubi/job/v1/job.ts';
import type { JobEvent } from './member-events.ts';
import type { SocketStore } from './store.ts';

/** Hands the events of one partition of `job.events` to those who have, or lately had, sockets for them. */
export async function deliverJobEvents(store: SocketStore, messages: EventMessage[]): Promise<void> {
  // Parsed one by one before anything is delivered: the platform finds the one message that is poison.
  const events = await Promise.all(messages.map(toJobEvent));
  await store.deliver(events);
}

/** @throws PoisonError when the message is not a job's event */
async function toJobEvent({ data, version, subject, time, traceparent }: EventMessage): Promise<JobEvent> {
  const job = parse(data, subject);
  // The span's own trace context goes on with the event, so that the push is its child.
  const options = { kind: SpanKind.CONSUMER, parent: contextFrom(traceparent), attributes: { 'musubi.job.id': job.id } };
  return withSpan('job.events process', options, async () => ({
    jobId: job.id,
    version,
    memberId: job.memberId,
    job: JSON.stringify(job),
    traceparent: currentTraceparent() || (traceparent ?? ''),
    time: time.getTime(),
  }));
}

function parse(data: unknown, jobId: string): JobView {
  try {
    const { job } = JobEventMessage.fromJSON(data);
    if (job?.jobId === jobId) return toJobView(job);
  } catch (error) {
    // Paths and messages only: what the fields hold may be personal.
    const issues = error instanceof z.ZodError ? error.issues.map(({ path, message }) => `${path.join('.')} ${message}`) : [];
    throw new PoisonError(`its data is no event of a job: ${issues.join('; ') || (error as Error).name}`);
  }
  throw new PoisonError('its data is no event of the job that is its key');
}
