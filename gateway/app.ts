import Router from '@koa/router';
import Koa from 'koa';
import { dispatch } from './dispatch.ts';
import type { Gateway } from './gateway.ts';
import { accessLog, trace } from './middleware/observe.ts';
import { problems, unrouted } from './middleware/problems.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import type { Route } from './route.ts';
import { source, TrustedProxies } from './source.ts';

/**
 * The gateway's HTTP side: everything a request passes, in order.
 *
 * @param proxies who is believed when it says for whom it asks; default: nobody
 */
export function createApp(gateway: Gateway, routes: readonly Route[], proxies = new TrustedProxies([])): Koa {
  const app = new Koa();
  app.use(source(proxies));
  app.use(trace());
  app.use(accessLog(gateway.log));
  app.use(securityHeaders());
  app.use(problems());
  app.use(router(routes, gateway));
  app.use(unrouted());
  // What is left here are failures of writing to a client that has gone: the access log has that line.
  app.on('error', (error: unknown) => gateway.log.debug({ err: error }, 'an answer could not be written'));
  return app;
}

function router(routes: readonly Route[], gateway: Gateway): Koa.Middleware {
  const router = new Router({ exclusive: 'specificity', strict: true, sensitive: true });
  for (const route of routes) router.register(routerPath(route.path), [route.method], dispatch(route, gateway));
  return router.routes() as unknown as Koa.Middleware;
}

/** An OpenAPI path template as @koa/router writes it: `/v1/jobs/{jobId}:cancel` → `/v1/jobs/:jobId\:cancel` */
function routerPath(template: string): string {
  return template.replaceAll(':', '\\:').replaceAll(/\{(\w+)\}/g, ':$1');
}
