import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address } from './config.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './log.ts';
import { metrics } from './telemetry.ts';

/** Text that is appended to /metrics: for libraries with a registry of their own (Temporal's core). */
const extraMetrics: (() => Promise<string>)[] = [];
export function addMetricsSource(source: () => Promise<string>): void {
  extraMetrics.push(source);
}

/**
 * Serves the operator's view of this process:
 * - /livez: 200 while the event loop turns; else it should be started anew
 * - /readyz: 200 while it can do useful work (with what is degraded), else 503: whether it should get requests
 * - /healthz: 200 while nothing is away, else 503 with all that is: for people, alarms and whoever starts a system; also
 *   503 while something waits for somebody to look at it (`attention`), which no start need wait for
 * - /metrics: Prometheus text
 */
export async function serveOps(listen: Address, lifecycle: Lifecycle, log: Logger): Promise<void> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    };
    const route = async (): Promise<void> => {
      switch (request.url) {
        case '/livez':
          return answer(200, 'application/json', '{"status":"alive"}');
        case '/readyz':
        case '/healthz': {
          const [unready, degraded, attention] = await Promise.all([
            lifecycle.unready(),
            lifecycle.degraded(),
            lifecycle.attention(),
          ]);
          const ready = Object.keys(unready).length === 0;
          const healthy = ready && Object.keys({ ...degraded, ...attention }).length === 0;
          const good = request.url === '/readyz' ? ready : healthy;
          const status = healthy ? 'healthy' : ready ? 'degraded' : 'not ready';
          return answer(good ? 200 : 503, 'application/json', JSON.stringify({ status, unready, degraded, attention }));
        }
        case '/metrics': {
          const parts = await Promise.all([metrics.metrics(), ...extraMetrics.map((source) => source().catch(() => ''))]);
          return answer(200, metrics.contentType, parts.join('\n'));
        }
        default:
          return answer(404, 'text/plain', 'not found: try /livez, /readyz, /healthz or /metrics\n');
      }
    };
    route().catch((error: unknown) => {
      log.error({ err: error, url: request.url }, 'ops request failed');
      answer(500, 'text/plain', 'failed\n');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  log.debug({ port: (server.address() as AddressInfo).port }, 'ops server listens');
  // Kept to the very end, so that an orchestrator sees "stopping" rather than a refused connection.
  lifecycle.onStop('ops server', 'telemetry', () => {
    server.closeAllConnections();
    server.close();
  });
}
