import { scheduleActivity, setCurrentDetails } from '@temporalio/workflow';
import { REGULAR, SCHEDULES, type ScheduleId } from '../temporal.config.ts';

/**
 * The workflow that a Schedule starts: one activity of the Schedule's ID, which is tried until it is through. What it says of itself in
 * words, the Web UI shows.
 */
const regularly = (id: ScheduleId) => async (): Promise<unknown> => {
  // One of a release before may say nothing.
  const told = await scheduleActivity<{ words?: string } | undefined>(id, [], { ...REGULAR, ...SCHEDULES[id].attempt });
  if (told?.words === undefined) return told;
  const { words, ...report } = told;
  setCurrentDetails(words);
  return report;
};

export const erasures = regularly('upkeep.erasures');
export const reconcile = regularly('upkeep.reconcile');
export const terms = regularly('upkeep.terms');
export const unfinishedJobs = regularly('upkeep.unfinishedJobs');
