import type Koa from 'koa';
import { HTTP_LIMITS, type HttpLimits, serveHttp } from '#platform/http/server.ts';
import type { Address } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { observeRefused } from './middleware/observe.ts';
import { MAX_WAIT_SECONDS } from './prefer.ts';
import { sourceOf } from './source.ts';

/** What clients may take: nothing of ours takes longer than the longest wait and what comes around it. */
const GATEWAY_LIMITS: HttpLimits = { ...HTTP_LIMITS, silence: (MAX_WAIT_SECONDS + 60) * 1_000 };

/**
 * Serves the app.
 *
 * @returns the port, for an address that asked for port 0
 */
export function serveApp(
  app: Koa,
  { listen, lifecycle, log, limits }: { listen: Address; lifecycle: Lifecycle; log: Logger; limits?: Partial<HttpLimits> },
): Promise<number> {
  return serveHttp({
    name: 'HTTP server',
    listen,
    lifecycle,
    log,
    limits: { ...GATEWAY_LIMITS, ...limits },
    handle: app.callback(),
    refused: (problem, remoteAddress) => observeRefused(log, problem, sourceOf(remoteAddress)),
  });
}
