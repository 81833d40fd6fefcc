import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** Alarms are raised at once, but one after the other: each costs a workflow task of its own, as at worst. */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let last = 0;
  return {
    outbound: [
      {
        startTimer(input, next) {
          last = Math.max(Date.now(), last) + 20;
          return next({ ...input, durationMs: last - Date.now() });
        },
      },
    ],
  };
};
