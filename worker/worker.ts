import { makeWorkflowExporter, OpenTelemetryActivityInboundInterceptor } from '@temporalio/interceptors-opentelemetry-v2';
import { type NativeConnection, Worker } from '@temporalio/worker';
import type { Tracing } from '#platform/process/telemetry.ts';
import { WORKER_TUNING } from '../temporal.config.ts';

export interface WorkerSettings {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  /** The bundled workflow code, made for this `tracing` (see bundle.ts). */
  codePath: string;
  /** By the names that Temporal knows them by. */
  activities: Record<string, unknown>;
  tracing: Pick<Tracing, 'processor' | 'resource' | 'tracer'>;
}

/** A worker of one task queue, with the trace going through it. */
export function createWorker({ activities, codePath, tracing, ...where }: WorkerSettings): Promise<Worker> {
  return Worker.create({
    ...WORKER_TUNING,
    ...where,
    workflowBundle: { codePath },
    activities,
    interceptors: { activity: [(context) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(context, tracing) })] },
    sinks: tracing.processor ? { exporter: makeWorkflowExporter(tracing.processor, tracing.resource) } : {},
  });
}
