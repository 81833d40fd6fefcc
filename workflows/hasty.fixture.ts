import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** Attempts of a step that may be tried in vain. So many are made on any machine: a limit of time would be another one on each. */
const BOUND = 12;

/**
 * Steps are tried as often as ever, and without the waits between: faults are tried in no time. How long Temporal waits
 * is a matter of limits.test.ts.
 */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  outbound: [
    {
      scheduleLocalActivity: ({ options, ...input }, next) =>
        next({ ...input, options: { ...options, retry: { ...options.retry, initialInterval: 1, backoffCoefficient: 1 } } }),
      scheduleActivity: ({ options: { scheduleToCloseTimeout, retry, ...options }, ...input }, next) => {
        const attempts = retry?.maximumAttempts ?? (scheduleToCloseTimeout === undefined ? undefined : BOUND);
        const hasty = { initialInterval: 10, backoffCoefficient: 1, ...(attempts ? { maximumAttempts: attempts } : {}) };
        return next({ ...input, options: { ...options, retry: hasty } });
      },
    },
  ],
});
