import type { Context, Middleware } from 'koa';

/** What pages may send besides what is always safe, and what they may read of an answer. */
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Prefer',
  'traceparent',
  'X-Request-Id',
].join(', ');
const RESPONSE_HEADERS = [
  'Deprecation',
  'ETag',
  'Link',
  'Location',
  'Preference-Applied',
  'Retry-After',
  'Sunset',
  'traceparent',
  'WWW-Authenticate',
  'X-Request-Id',
].join(', ');
/** For how long a browser may remember the answer, in seconds. */
const MAX_AGE = '7200';

/**
 * Lets the pages of these origins use the API (https://fetch.spec.whatwg.org/#http-cors-protocol); to others a browser
 * shows no answer. No credentials: who asks is in the Authorization header, which no page sends by itself.
 */
export function cors(origins: ReadonlySet<string>): Middleware {
  return (ctx, next) => {
    ctx.vary('Origin');
    const origin = ctx.get('Origin');
    if (origins.has(origin)) {
      ctx.set('Access-Control-Allow-Origin', origin);
      ctx.set('Access-Control-Expose-Headers', RESPONSE_HEADERS);
    }
    return next();
  };
}

/** Answers a page that asks, before it sends a request, whether it may. @param methods those of the path */
export function allowPreflight(ctx: Context, methods: string): void {
  if (ctx.get('Access-Control-Request-Method') === '' || !ctx.res.hasHeader('Access-Control-Allow-Origin')) return;
  ctx.set({
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': REQUEST_HEADERS,
    'Access-Control-Max-Age': MAX_AGE,
  });
}
