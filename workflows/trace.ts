import type { Headers, WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** The header in which OpenTelemetry's interceptors of client and activity carry the trace. */
const TRACE_HEADER = '_tracer-data';

/**
 * Hands the trace that the workflow was started in on to its activities, so that all of it is one trace.
 * Stands in for OpenTelemetry's own workflow interceptor where no spans are exported: that one brings an
 * SDK into the sandbox, and costs CPU with every workflow. Both leave the same history.
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let trace: Headers = {};
  return {
    inbound: [
      {
        execute: (input, next) => {
          const header = input.headers[TRACE_HEADER];
          if (header) trace = { [TRACE_HEADER]: header };
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleLocalActivity: (input, next) => next({ ...input, headers: { ...input.headers, ...trace } }),
        scheduleActivity: (input, next) => next({ ...input, headers: { ...input.headers, ...trace } }),
      },
    ],
  };
};
