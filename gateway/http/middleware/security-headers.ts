import type { Middleware } from 'koa';
import { SECURITY_HEADERS } from '#platform/http/answer.ts';

/** What every answer says to browsers, if it does not say otherwise itself. */
export function securityHeaders(): Middleware {
  return (ctx, next) => {
    ctx.set(SECURITY_HEADERS);
    return next();
  };
}
