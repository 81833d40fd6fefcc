import { type Span, SpanStatusCode } from '@opentelemetry/api';
import { Histogram } from '@prometheus-io/client';
import type { Context, Middleware } from 'koa';
import type { MusubiError } from '#platform/errors.ts';
import { type Logger, logDefect } from '#platform/process/log.ts';
import { contextFrom, currentTraceId, currentTraceparent, metrics, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import { httpStatus, type Problem } from '../problem.ts';

const seconds = new Histogram({
  name: 'musubi_http_server_seconds',
  help: 'Time until a request was answered, by method, route pattern and status',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers: [metrics],
});

/** What a client may call its request: it comes into a log line and back as a header. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/**
 * Continues the client's trace (`traceparent`) or begins one, and returns it. Returns the client's `X-Request-Id` if it is
 * printable, otherwise the trace's ID.
 */
export function trace(): Middleware {
  return (ctx, next) =>
    withSpan(
      `HTTP ${ctx.method}`,
      { kind: SpanKind.SERVER, parent: contextFrom(ctx.get('traceparent') || undefined) },
      async (span) => {
        ctx.set('traceparent', currentTraceparent());
        const given = ctx.get('X-Request-Id');
        if (REQUEST_ID.test(given)) ctx.state.requestId = given;
        ctx.set('X-Request-Id', ctx.state.requestId ?? currentTraceId());
        await next();
        describe(span, ctx);
      },
    );
}

function describe(span: Span, ctx: Context): void {
  span.updateName(`${ctx.method} ${routeOf(ctx)}`);
  const status = statusOf(ctx);
  span.setAttributes({ 'http.request.method': ctx.method, 'http.route': routeOf(ctx), 'http.response.status_code': status });
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}

/**
 * One log line and one measurement a request, once it was answered, or left by its client, and nothing is done for it
 * any more. An error is logged here only: with its stack when it is our fault, with its code when it is the
 * client's, whether or not the client was still there. Never a header, a body or a query, and of the
 * path only the IDs.
 */
export function accessLog(log: Logger): Middleware {
  return async (ctx, next) => {
    const startedAt = performance.now();
    const end = seconds.startTimer();
    const closed = new Promise<void>((resolve) => ctx.res.once('close', () => resolve()));
    const record = (): void => {
      const status = statusOf(ctx);
      end({ method: ctx.method, route: routeOf(ctx), status: String(status) });
      const error: MusubiError | undefined = ctx.state.error;
      const line = {
        method: ctx.method,
        route: routeOf(ctx),
        path: ctx.state.path,
        status,
        ms: Math.round((performance.now() - startedAt) * 10) / 10,
        requestId: ctx.state.requestId,
        source: ctx.state.source,
        memberId: ctx.state.memberId,
        jobId: ctx.state.jobId,
      };
      // The error's own status: that of the answer is 499 when nobody is there to get it.
      if (status >= 500 || (error && httpStatus(error) >= 500)) log.error({ ...line, err: error }, 'request');
      else log.info({ ...line, code: error?.code }, 'request');
    };
    try {
      await next();
    } finally {
      closed.then(record).catch(logDefect(log, 'a request could not be logged'));
    }
  };
}

/** The same of what was refused before it became a request. */
export function observeRefused(
  log: Logger,
  { status, code, traceId }: Pick<Problem, 'status' | 'code' | 'traceId'>,
  source: string,
): void {
  const what = { method: '_OTHER', route: 'unmatched' };
  seconds.observe({ ...what, status: String(status) }, 0);
  log.info({ ...what, status, code, source, traceId }, 'request');
}

/** What was answered; 499 (nginx's word for it) when the client left, or the connection was cut, before that was over. */
const statusOf = ({ res, status }: Context): number => (res.destroyed && !res.writableFinished ? 499 : status);

/** The pattern, not the path: few values, so it can label a metric. */
const routeOf = (ctx: Context): string => ctx.state.route ?? 'unmatched';
