import { toJobView } from '#platform/job-view.ts';
import type { EventMessage } from '#platform/kafka/subscribe.ts';
import { contextFrom, currentTraceparent, SpanKind, withSpan } from '#platform/telemetry.ts';
import { JobEvent as JobEventMessage } from '#proto/musubi/job/v1/job.ts';
import type { JobEvent, SocketStore } from './store.ts';

/** Hands the events of one partition of `job.events` to those who have, or lately had, sockets for them. */
export async function deliverJobEvents(store: SocketStore, messages: EventMessage[]): Promise<void> {
  // Parsed one by one before anything is delivered: the platform finds the one message that is poison.
  const events = await Promise.all(messages.map(toJobEvent));
  await store.deliver(events);
}

/** @throws when the message is not a job's event */
async function toJobEvent({ data, version, subject, time, traceparent }: EventMessage): Promise<JobEvent> {
  const { job: message } = JobEventMessage.fromJSON(data);
  if (!message || message.jobId !== subject) throw new Error('the message is not an event of the job that is its key');
  const job = toJobView(message);
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
