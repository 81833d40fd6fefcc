import type { Peer } from '#platform/grpc/client.ts';
import type { FinishJobRequest, JobServiceService, ReportProgressRequest } from '#proto/musubi/job/v1/job.ts';
import type { Call, StepCall } from './call.ts';

/** What the end of every saga does to its job. A job's calls are idempotent by the job's ID. */
export function createJobActivities(job: Peer<typeof JobServiceService>, call: Call) {
  return {
    reportProgress: (step: StepCall, request: ReportProgressRequest) =>
      call(step, (options) => job.reportProgress(request, options)),
    finishJob: (step: StepCall, request: FinishJobRequest) => call(step, (options) => job.finishJob(request, options)),
  };
}
