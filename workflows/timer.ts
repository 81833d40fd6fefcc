import { sleep } from '@temporalio/workflow';
import { TIMERS } from '../temporal.config.ts';

/** Waits as `TIMERS` says, which also names the timer in the Web UI. */
export function timer(name: keyof typeof TIMERS): Promise<void> {
  const { ms, summary } = TIMERS[name];
  return sleep(ms, { summary });
}
