import type { Middleware } from 'koa';
import { internal, MusubiError } from '#platform/errors.ts';
import { currentTraceId } from '#platform/process/telemetry.ts';
import { challenge } from '../authorize.ts';
import { httpStatus, problemOf, retryAfterOf } from '../problem.ts';

/** Answers everything that is thrown with an RFC 9457 problem. What is no MusubiError is a defect: 500, and its cause stays in the log. */
export function problems(): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (thrown) {
      const error = thrown instanceof MusubiError ? thrown : internal('INTERNAL', 'defect', { cause: thrown });
      ctx.state.error = error;
      ctx.status = httpStatus(error);
      if (ctx.status === 401) ctx.set('WWW-Authenticate', challenge(error));
      ctx.set(retryAfterOf(error));
      ctx.body = JSON.stringify(problemOf(error, currentTraceId() ?? '', ctx.state.locate));
      ctx.type = 'application/problem+json';
    }
  };
}
