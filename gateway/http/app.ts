import Koa from 'koa';
import type { Gateway } from '../gateway.ts';
import { cors } from './middleware/cors.ts';
import { accessLog, trace } from './middleware/observe.ts';
import { problems } from './middleware/problems.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import type { Route } from './route.ts';
import { routing, unrouted } from './router.ts';
import { source, TrustedProxies } from './source.ts';

/**
 * The gateway's HTTP side: everything a request passes, in order.
 *
 * @param trust `origins`: of pages that may use it; `proxies`: who is believed when it says for whom it asks; default: nobody
 */
export function createApp(
  gateway: Gateway,
  routes: readonly Route[],
  { origins = new Set(), proxies = new TrustedProxies([]) }: { origins?: ReadonlySet<string>; proxies?: TrustedProxies } = {},
): Koa {
  const app = new Koa();
  app.use(source(proxies));
  app.use(trace());
  app.use(accessLog(gateway.log));
  app.use(securityHeaders());
  app.use(cors(origins));
  app.use(problems());
  app.use(routing(routes, gateway));
  app.use(unrouted(routes));
  // What is left here are failures of writing to a client that has gone: the access log has that line.
  app.on('error', (error: unknown) => gateway.log.debug({ err: error }, 'an answer could not be written'));
  return app;
}
