import { METHODS } from 'node:http';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { invalidArgument, notFound } from '#platform/errors.ts';
import type { Gateway } from '../gateway.ts';
import { dispatch } from './dispatch.ts';
import { allowPreflight } from './middleware/cors.ts';
import type { Route } from './route.ts';

/**
 * Finds the path of a request among those of the routes: one path for all methods, so that what may be done there
 * is said and done by the same match.
 */
export function routing(routes: readonly Route[], gateway: Gateway): Middleware {
  // Of the paths that match, the one that was registered last.
  const router = new Router({ exclusive: true, strict: true, sensitive: true });
  const paths = Map.groupBy(routes, ({ path }) => path);
  const hasCommands = (path: string): boolean => [...paths.keys()].some((other) => other.startsWith(`${path}:`));
  for (const [path, here] of [...paths].sort(([a], [b]) => bySpecificity(a, b)))
    router.register(routerPath(path), METHODS, atPath(path, here, gateway, hasCommands(path)));
  return router.routes() as unknown as Middleware;
}

/** The more specific of two path templates comes later: segment by segment none, then `{id}`, then `{id}:verb`, then `me`. */
export function bySpecificity(a: string, b: string): number {
  const [left = [], right = []] = [a, b].map((path) => path.split('/').map(rank));
  const differences = Array.from(
    { length: Math.max(left.length, right.length) },
    (_, at) => (left[at] ?? -1) - (right[at] ?? -1),
  );
  return differences.find((difference) => difference !== 0) ?? 0;
}

const rank = (segment: string): number => (segment.startsWith('{') ? (segment.endsWith('}') ? 0 : 1) : 2);

/** All that can be done at one path. @param hasCommands whether there are paths of this one and `:verb` */
function atPath(path: string, routes: readonly Route[], gateway: Gateway, hasCommands: boolean): Middleware {
  const byMethod = new Map<string, Middleware>(routes.map((route) => [route.method, dispatch(route, gateway)]));
  const get = byMethod.get('GET');
  if (get) byMethod.set('HEAD', get);
  const methods = [...byMethod.keys(), 'OPTIONS'].join(', ');
  return (ctx, next) => {
    const handle = byMethod.get(ctx.method);
    if (handle) return handle(ctx, next);
    if (ctx.method === 'OPTIONS') {
      ctx.state.route = path;
      return tellMethods(ctx, methods);
    }
    // No ID has a colon: `POST /v1/members/{memberId}:suspnd` is for no member but a command that there is not.
    if (hasCommands && ctx.path.slice(ctx.path.lastIndexOf('/')).includes(':')) return next();
    ctx.state.route = path;
    ctx.set('Allow', methods);
    throw invalidArgument('METHOD_NOT_ALLOWED', `${ctx.method} can not be done here; ${methods} can.`);
  };
}

function tellMethods(ctx: Context, methods: string): void {
  ctx.set('Allow', methods);
  allowPreflight(ctx, methods);
  ctx.status = 204;
}

/** What no route has a path for: of `OPTIONS *` the methods that there are somewhere, otherwise ROUTE_NOT_FOUND. */
export function unrouted(routes: readonly Route[]): Middleware {
  const methods = [...new Set(['GET', 'HEAD', ...routes.map(({ method }) => method), 'OPTIONS'])].join(', ');
  return (ctx) => {
    if (ctx.path === '*') return tellMethods(ctx, methods);
    throw notFound('ROUTE_NOT_FOUND', 'There is nothing at this path; /openapi.json lists what there is.');
  };
}

/** An OpenAPI path template as @koa/router writes it: `/v1/jobs/{jobId}:cancel` → `/v1/jobs/:jobId\:cancel` */
function routerPath(template: string): string {
  return template.replaceAll(':', '\\:').replaceAll(/\{(\w+)\}/g, ':$1');
}
