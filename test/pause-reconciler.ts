import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, ScheduleNotFoundError } from '@temporalio/client';
import { SCHEDULES, type ScheduleId } from '../temporal.config.ts';

const ID: ScheduleId = 'upkeep.reconcile';

/** Pauses what makes Auth agree with Member and Role: tests give Auth what the others do not have, and count on it. */
export async function pauseReconciler(address: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    const handle = new Client({ connection }).schedule.getHandle(ID);
    // Its note stays as it is: the Web UI shows it.
    const pause = (): Promise<boolean> =>
      handle.pause(SCHEDULES[ID].summary).then(
        () => true,
        (error: unknown) => {
          if (error instanceof ScheduleNotFoundError) return false;
          throw error;
        },
      );
    // The first who hosts workers makes it.
    while (!(await pause())) await sleep(100);
  } finally {
    await connection.close();
  }
}
