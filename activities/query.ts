import { cancellationSignal } from '@temporalio/activity';
import type { Peer } from '#platform/grpc/client.ts';
import type { AwaitVersionsRequest, QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import type { Call, StepCall } from './call.ts';

/** What a saga asks the query side. */
export function createQueryActivities(query: Peer<typeof QueryServiceService>, call: Call) {
  return {
    /** Only waits, so it ends with the worker; the wait is then made again elsewhere. */
    awaitVersions: (step: StepCall, request: AwaitVersionsRequest) =>
      call(step, (options) => query.awaitVersions(request, { ...options, signal: cancellationSignal() })),
  };
}
