import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** A step that is tried in vain is tried without end, before the pivot too: however slow the machine, a saga that a test holds stays. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  outbound: [
    {
      scheduleActivity: ({ options, ...input }, next) =>
        next({ ...input, options: { ...options, scheduleToCloseTimeout: '1 day' } }),
    },
  ],
});
