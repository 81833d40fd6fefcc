import { scheduleLocalActivity, sleep } from '@temporalio/workflow';

// Workflows of a test of the threads that workflows run in.

/** Never gives its thread back while the activity says so. */
export async function stuck(): Promise<string> {
  const forEver = await scheduleLocalActivity<boolean>('forEver', [], { startToCloseTimeout: '5s' });
  while (forEver);
  return 'through';
}

export async function quiet(): Promise<string> {
  await sleep(10);
  return 'through';
}
