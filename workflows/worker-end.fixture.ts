import { IllegalStateError } from '@temporalio/common';
import type { Worker } from '@temporalio/worker';

/**
 * Stops a worker and waits for its end. The SDK (1.23) takes its native worker apart as soon as all is answered; on a busy
 * machine the last answer still holds that for a moment, and `run` fails though the worker has stopped and nothing is left
 * to do. One that has not, which an activity holds, is another matter: its process would never end.
 */
export async function stopped(worker: Worker, running: Promise<void>): Promise<void> {
  worker.shutdown();
  await running.catch((error: unknown) => {
    const inUse = error instanceof IllegalStateError && error.message.startsWith('Worker still in use');
    if (!inUse) throw error;
    if (worker.getState() !== 'STOPPED') throw new Error('the worker was not stopped in time', { cause: error });
  });
}
