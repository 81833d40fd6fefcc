import type { Middleware } from 'koa';
import { internal, invalidArgument, MusubiError, notFound } from '#platform/errors.ts';
import { currentTraceId } from '#platform/telemetry.ts';
import { challenge } from '../authorize.ts';
import { httpStatus, problemOf } from '../problem.ts';

/** Answers whatever is thrown with an RFC 9457 problem. What is no MusubiError is a defect: 500, and its cause stays in the log. */
export function problems(): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (thrown) {
      const error = thrown instanceof MusubiError ? thrown : internal('INTERNAL', 'defect', { cause: thrown });
      ctx.state.error = error;
      ctx.status = httpStatus(error);
      if (ctx.status === 401) ctx.set('WWW-Authenticate', challenge(error));
      const retryAfter = error.retryAfterSeconds ?? (ctx.status === 503 || ctx.status === 429 ? 1 : undefined);
      if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
      ctx.body = JSON.stringify(problemOf(error, currentTraceId() ?? '', ctx.state.locate));
      ctx.type = 'application/problem+json';
    }
  };
}

interface Matched {
  matched?: { methods: string[] }[];
}

/** What no route answered: METHOD_NOT_ALLOWED (405) with `Allow` where the path is known, else ROUTE_NOT_FOUND (404). */
export function unrouted(): Middleware {
  return (ctx) => {
    const allowed = new Set((ctx as typeof ctx & Matched).matched?.flatMap(({ methods }) => methods) ?? []);
    if (allowed.size === 0)
      throw notFound('ROUTE_NOT_FOUND', 'There is nothing at this path; /openapi.json lists what there is.');
    ctx.set('Allow', [...allowed, 'OPTIONS'].join(', '));
    if (ctx.method === 'OPTIONS') {
      ctx.status = 204;
      return;
    }
    throw invalidArgument('METHOD_NOT_ALLOWED', `${ctx.method} can't be done here; ${[...allowed].join(', ')} can.`);
  };
}
