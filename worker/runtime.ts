import { createServer } from 'node:net';
import { DefaultLogger, type LogLevel, Runtime } from '@temporalio/worker';
import type { Logger } from '#platform/log.ts';
import { addMetricsSource } from '#platform/ops-server.ts';

let installed: Promise<void> | undefined;

/**
 * Sets up Temporal's native core for this process, once: its logs go to ours, its metrics appear on
 * our /metrics, and signals stay ours.
 */
export function installRuntime(log: Logger): Promise<void> {
  installed ??= install(log.child({ component: 'temporal' }));
  return installed;
}

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const satisfies Record<
  LogLevel,
  string
>;

async function install(log: Logger): Promise<void> {
  const least = (Object.keys(LEVELS) as LogLevel[]).find((level) => log.isLevelEnabled(LEVELS[level])) ?? 'ERROR';
  const logger = new DefaultLogger(least, ({ level, message, meta }) => {
    const { error, ...rest } = meta ?? {};
    log[LEVELS[level]](error === undefined ? rest : { ...rest, err: error }, message);
  });
  const address = `127.0.0.1:${await freePort()}`;
  Runtime.install({
    logger,
    shutdownSignals: [],
    workerHeartbeatInterval: 0,
    telemetryOptions: {
      // The client's retries are many lines about one thing: that Temporal is away, which readiness says.
      logging: { filter: 'error,temporalio_sdk_core=warn,temporalio_client=error', forward: {} },
      metrics: { prometheus: { bindAddress: address, countersTotalSuffix: true, useSecondsForDurations: true } },
    },
  });
  addMetricsSource(async () => {
    const response = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(1_000) });
    return response.text();
  });
}

/** Core serves its metrics on a port that must be told beforehand. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port'))));
    });
  });
}
