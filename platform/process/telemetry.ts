import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOffSampler, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { collectDefaultMetrics, Registry } from '@prometheus-io/client';
import { reasonOf } from '../errors.ts';

/** The process's metrics; served at /metrics. Each module makes its own with `registers: [metrics]`. */
export const metrics = new Registry();

/** How a program's spans are exported. */
export interface Tracing {
  /** Whether they leave this process: when the standard OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT is set. */
  exporting: boolean;
  resource: ReturnType<typeof resourceFromAttributes>;
  tracer: Tracer;
  processor?: BatchSpanProcessor;
  /** Does something as the program: its spans, and those of all that it begins, are exported under its name. */
  run<T>(work: () => T): T;
  stop(): Promise<void>;
}

/** Of a context: the tracer of the program that it belongs to. */
const TRACER = createContextKey('tracer');

/** At the default of 10 ms the sampling wakes an idle process 100 times a second. */
const EVENT_LOOP_SAMPLE_MS = 1_000;
/**
 * The event loop's lag as it is sampled: Node counts the pause between two samples in, so these would show a second of lag in
 * a process that has none. `nodejs_eventloop_lag_seconds` stays: it is measured when metrics are read.
 */
const SAMPLED_LAGS = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'];

let started = false;
/** Whether spans of this process leave it. */
let told = false;

/**
 * Starts a program's tracing, and with the first program of a process its default metrics. Without an exporter, trace IDs
 * still travel through every hop (logs and problems show them), but no span is recorded.
 * The standard variables of sampler and exporter hold (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_…); the service's
 * name is the program's.
 */
export function startTelemetry(program: string, env: NodeJS.ProcessEnv): Tracing {
  const exporting = Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  told ||= exporting;
  const resource = resourceFromAttributes({ 'service.name': `musubi-${program}`, 'service.namespace': 'musubi' });
  const processor = exporting ? new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 1_000 }) : undefined;
  const provider = new NodeTracerProvider({
    resource,
    spanProcessors: processor ? [processor] : [],
    ...(exporting ? {} : { sampler: new AlwaysOffSampler() }),
  });
  if (!started) {
    provider.register();
    collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
    for (const name of SAMPLED_LAGS) metrics.removeSingleMetric(`nodejs_eventloop_lag_${name}_seconds`);
    started = true;
  }
  const tracer = provider.getTracer('musubi');
  return {
    exporting,
    resource,
    tracer,
    ...(processor ? { processor } : {}),
    run: (work) => context.with(context.active().setValue(TRACER, tracer), work),
    stop: () => provider.shutdown(),
  };
}

/** The tracer of the program that a context belongs to; outside of programs that of whoever started tracing first. */
export const tracerOf = (of: Context): Tracer => (of.getValue(TRACER) as Tracer | undefined) ?? trace.getTracer('musubi');

/**
 * Runs `work` in a span of its own; an error marks the span and goes on. Where no span is exported, a request has one span in a
 * process: that carries the trace's ID, and more of them would only cost.
 */
export async function withSpan<T>(
  name: string,
  options: { kind?: SpanKind; attributes?: Attributes; parent?: Context },
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const parent = options.parent ?? context.active();
  const around = told ? undefined : trace.getSpan(parent);
  if (around && !around.spanContext().isRemote) return await context.with(parent, work, undefined, around);
  const span = tracerOf(parent).startSpan(
    name,
    { kind: options.kind ?? SpanKind.INTERNAL, attributes: options.attributes },
    parent,
  );
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

/**
 * The context that a received `traceparent` continues; a malformed one starts a new trace.
 *
 * @param base the rest of the context. Default: the running call's
 */
export function contextFrom(traceparent: string | undefined, base = context.active()): Context {
  return traceparent ? propagation.extract(base, { traceparent }) : base;
}

/** The span that a received `traceparent` names; undefined when it is missing or malformed. */
export const spanOf = (traceparent: string | undefined): SpanContext | undefined =>
  trace.getSpanContext(contextFrom(traceparent, ROOT_CONTEXT));

/** The running call's span; undefined outside a trace. */
export const currentSpan = (): SpanContext | undefined => trace.getActiveSpan()?.spanContext();

/** The running call's trace ID, 32 hex digits; undefined outside a trace. */
export function currentTraceId(): string | undefined {
  return currentSpan()?.traceId;
}

export { SpanKind };
