import {
  type Attributes,
  type Context,
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOffSampler, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { collectDefaultMetrics, Registry } from '@prometheus-io/client';
import { reasonOf } from './errors.ts';

/** The process's metrics; served at /metrics. Each module makes its own with `registers: [metrics]`. */
export const metrics = new Registry();

/** Whether spans leave this process: when the standard OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT is set. */
export interface Tracing {
  exporting: boolean;
  resource: ReturnType<typeof resourceFromAttributes>;
  processor?: BatchSpanProcessor;
  stop(): Promise<void>;
}

/**
 * Starts tracing and default metrics. Without an exporter, trace IDs still travel through every
 * hop (logs and problems show them), but no span is recorded.
 * The standard variables of sampler and exporter hold (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_…); the service's
 * name is its role's.
 */
export function startTelemetry(role: string, env: NodeJS.ProcessEnv): Tracing {
  const exporting = Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  const resource = resourceFromAttributes({ 'service.name': `musubi-${role}`, 'service.namespace': 'musubi' });
  const processor = exporting ? new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 1_000 }) : undefined;
  const provider = new NodeTracerProvider({
    resource,
    spanProcessors: processor ? [processor] : [],
    ...(exporting ? {} : { sampler: new AlwaysOffSampler() }),
  });
  provider.register();
  // The event loop's delay, sampled once a second: at the default of 10 ms it wakes an idle process 100 times a second.
  collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: 1_000 });
  return {
    exporting,
    resource,
    ...(processor ? { processor } : {}),
    stop: () => provider.shutdown(),
  };
}

const tracer = trace.getTracer('musubi');

/** Runs `work` in a span of its own; an error marks the span and goes on. */
export async function withSpan<T>(
  name: string,
  options: { kind?: SpanKind; attributes?: Attributes; parent?: Context },
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const parent = options.parent ?? context.active();
  const span = tracer.startSpan(name, { kind: options.kind ?? SpanKind.INTERNAL, attributes: options.attributes }, parent);
  return context.with(trace.setSpan(parent, span), async () => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: reasonOf(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The `traceparent` (W3C Trace Context) of a context; empty when it is in no trace. */
export function traceparentOf(of: Context): string {
  const carrier: Record<string, string> = {};
  propagation.inject(of, carrier);
  return carrier.traceparent ?? '';
}

/** The `traceparent` of the running call; empty when there is none. */
export function currentTraceparent(): string {
  return traceparentOf(context.active());
}

/** The context that a received `traceparent` continues; a malformed one starts a new trace. */
export function contextFrom(traceparent: string | undefined): Context {
  return traceparent ? propagation.extract(context.active(), { traceparent }) : context.active();
}

/** The running call's trace ID, 32 hex digits; undefined outside a trace. */
export function currentTraceId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().traceId;
}

export { SpanKind };
