import { scheduleActivity } from '@temporalio/workflow';
import { REGULAR, type ScheduleId } from '../temporal.config.ts';

/** The workflow that a Schedule starts: one activity of the Schedule's ID, which is tried until it is through. */
const regularly = (id: ScheduleId) => (): Promise<unknown> => scheduleActivity(id, [], REGULAR);

export const unfinishedJobs = regularly('upkeep.unfinishedJobs');
