import {
  type JobError as ErrorMessage,
  JobEvent,
  type Job as JobMessage,
  type JobProgress as ProgressMessage,
  JobState as StateMessage,
} from '#proto/musubi/job/v1/job.ts';
import { JOB_STATES, type Job, type JobError, type JobState, type Progress } from './domain.ts';

const TO_MESSAGE: Record<JobState, StateMessage> = {
  queued: StateMessage.JOB_STATE_QUEUED,
  running: StateMessage.JOB_STATE_RUNNING,
  compensating: StateMessage.JOB_STATE_COMPENSATING,
  applied: StateMessage.JOB_STATE_APPLIED,
  completed: StateMessage.JOB_STATE_COMPLETED,
  failed: StateMessage.JOB_STATE_FAILED,
  cancelled: StateMessage.JOB_STATE_CANCELLED,
};

/** The state of a message; undefined for none, or one that this release does not know. */
export function stateOf(message: StateMessage): JobState | undefined {
  return JOB_STATES.find((state) => TO_MESSAGE[state] === message);
}

/** A first attempt goes without saying. */
export function progressOf({ done, total, step, attempt = 1 }: ProgressMessage): Progress {
  return { done, total, step, ...(attempt > 1 ? { attempt } : {}) };
}

export function errorOf(message: ErrorMessage | undefined): JobError | undefined {
  if (!message?.code) return undefined;
  const { code, message: text, errors, grpcStatus } = message;
  return { code, message: text, errors, grpcStatus };
}

export function toMessage(job: Job): JobMessage {
  return {
    jobId: job.id,
    command: job.command,
    state: TO_MESSAGE[job.state],
    progress: job.progress,
    resultJson: job.resultJson,
    error: job.error,
    memberId: job.memberId,
    aggregateId: job.aggregateId,
    createdAt: new Date(job.createdAt),
    updatedAt: new Date(job.updatedAt),
    expiresAt: new Date(job.expiresAt),
    version: job.version,
  };
}

/** The payload of the job's event: proto3 JSON of JobEvent. */
export function toEventPayload(job: Job): unknown {
  return JobEvent.toJSON({ job: toMessage(job) });
}
