import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  ScheduleNotFoundError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { DOMAINS, type Domain, queueOfDomain, SCHEDULES, type ScheduleId } from '../temporal.config.ts';

/** What regular work is done by: an activity of each Schedule, of its ID. What a run has come to the Web UI shows in these words. */
export type Upkeep = Record<ScheduleId, () => Promise<{ words: string }>>;

/**
 * Makes every Schedule that Temporal has not, and changes those that are not as they are declared. Pausing one is the
 * operators' affair, so it stays paused, with their note. Does nothing if all is well, however many processes do it at once.
 */
export async function makeSchedules({ schedule }: Client, own: readonly Domain[] = []): Promise<void> {
  // One that is hosted wherever sagas are.
  const taskQueue = queueOfDomain(DOMAINS[0], own);
  for (const [id, { everyMs, summary }] of Object.entries(SCHEDULES)) {
    const declared = {
      spec: { intervals: [{ every: everyMs }] },
      action: { type: 'startWorkflow' as const, workflowType: id, workflowId: id, taskQueue, args: [], staticSummary: summary },
    };
    /** Its state as declared. Of one that is paused, the note says who paused it, and why. */
    const inState = (state: ScheduleDescription['state']) => (state.paused ? state : { ...state, note: summary });
    const isAsDeclared = ({ spec, action, state }: ScheduleDescription): boolean =>
      spec.intervals?.[0]?.every === everyMs &&
      action.taskQueue === taskQueue &&
      action.workflowType === id &&
      action.staticSummary === summary &&
      state.note === inState(state).note;
    const handle = schedule.getHandle(id);
    try {
      if (!isAsDeclared(await handle.describe())) await handle.update(({ state }) => ({ ...declared, state: inState(state) }));
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      await schedule.create({ scheduleId: id, ...declared, state: { note: summary } }).catch((error: unknown) => {
        // Another process was faster.
        if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      });
    }
  }
}

/** How regular work goes on. */
export interface Regular<Result> {
  /** Operators have paused its Schedule: it is not done. */
  isPaused: boolean;
  /** What it came to the last time that it was through, and when; undefined: it has not been yet. */
  last: { result: Result; at: Date } | undefined;
}

export async function regular<Result>(client: Client, id: ScheduleId): Promise<Regular<Result>> {
  const { info, state } = await client.schedule.getHandle(id).describe();
  return { isPaused: state.paused, last: await lastThrough<Result>(client, info) };
}

async function lastThrough<Result>({ workflow }: Client, info: ScheduleDescription['info']): Promise<Regular<Result>['last']> {
  for (const { action } of info.recentActions.toReversed()) {
    const handle = workflow.getHandle(action.workflow.workflowId, action.workflow.firstExecutionRunId);
    const run = await handle.describe().catch((error: unknown) => {
      // Of long ago: Temporal has forgotten it.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    });
    if (run?.status.name === 'COMPLETED' && run.closeTime)
      return { result: (await handle.result()) as Result, at: run.closeTime };
  }
  return undefined;
}
