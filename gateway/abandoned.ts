import { setTimeout as sleep } from 'node:timers/promises';
import { MusubiError } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import type { Gateway } from './gateway.ts';

/** Longer than a request to start a workflow may be under way. */
const START_MAY_ARRIVE_MS = 30_000;
const RETRY_MS = 5_000;
const GIVE_UP_MS = 600_000;

/**
 * Sees to a job whose start failed and whose client has no key to repeat it with: it must not stay queued.
 *
 * A failed start does not say that nothing was started, and a job that is called failed while its saga runs would
 * be a lie. So it waits until no start can arrive any more, then asks for a cancellation: a saga that nobody knows
 * was never started, and the job fails; one that did start is undone, and ends its job itself. Best effort: should
 * this process end first, the job expires. Never rejects.
 */
export async function giveUp(gateway: Gateway, jobId: string, startMayArriveMs = START_MAY_ARRIVE_MS): Promise<void> {
  await settle(gateway, jobId, startMayArriveMs).catch((error: unknown) => {
    if (!gateway.stopping.aborted)
      gateway.log.warn({ err: error, jobId }, 'a job that was not started stays queued until it expires');
  });
}

async function settle(gateway: Gateway, jobId: string, startMayArriveMs: number): Promise<void> {
  const deadline = Date.now() + GIVE_UP_MS;
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal: gateway.stopping, ref: false });
  await pause(startMayArriveMs);
  for (;;) {
    try {
      if ((await gateway.commands.cancelCommand(jobId)) !== 'unknown') return;
      const message = 'The command could not be started; nothing was changed.';
      const error = { code: 'NOT_STARTED', message, errors: [], grpcStatus: 'UNAVAILABLE' };
      await gateway.job.finishJob({ jobId, state: JobState.JOB_STATE_FAILED, resultJson: '', error });
      return;
    } catch (error) {
      if (!(error instanceof MusubiError && error.retryable) || Date.now() > deadline) throw error;
      await pause(RETRY_MS);
    }
  }
}
