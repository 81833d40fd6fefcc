import { createServer } from 'node:net';
import { DefaultLogger, type LogLevel, Runtime } from '@temporalio/worker';
import type { Logger } from '#platform/log.ts';
import { addMetricsSource } from '#platform/ops-server.ts';

let installed: Promise<void> | undefined;

/**
 * Sets up Temporal's native core for this process, once: its logs go to ours, its metrics appear on
 * our /metrics, and signals stay ours. Rejects, and may be called again, when somebody else takes the port of its
 * metrics between its being found free and core's taking it.
 *
 * @param port finds one that is free on loopback
 */
export function installRuntime(log: Logger, port: () => Promise<number> = freePort): Promise<void> {
  installed ??= install(log.child({ component: 'temporal' }), port).catch((error: unknown) => {
    installed = undefined; // or the process would fail of this moment for ever
    throw error;
  });
  return installed;
}

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const satisfies Record<
  LogLevel,
  string
>;

async function install(log: Logger, port: () => Promise<number>): Promise<void> {
  const least = (Object.keys(LEVELS) as LogLevel[]).find((level) => log.isLevelEnabled(LEVELS[level])) ?? 'ERROR';
  const logger = new DefaultLogger(least, ({ level, message, meta }) => {
    const { error, ...rest } = meta ?? {};
    log[LEVELS[level]](error === undefined ? rest : { ...rest, err: error }, message);
  });
  const address = `127.0.0.1:${await port()}`;
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
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port'))));
    });
  });
}
