import { CancelledFailure, type WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** The first local attempt of each step ends as one does whose worker goes: cancelled, and by nobody's request. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  outbound: [
    {
      scheduleLocalActivity: async () => {
        throw new CancelledFailure('WORKER_SHUTDOWN');
      },
    },
  ],
});
