import { createServer } from 'node:net';
import { IllegalStateError } from '@temporalio/common';
import { DefaultLogger, type LogLevel, Runtime, type RuntimeOptions } from '@temporalio/worker';
import type { Logger } from '#platform/process/log.ts';
import { addMetricsSource } from '#platform/process/ops-server.ts';

/** Where core serves its metrics now. */
let metricsAddress: string | undefined;

/**
 * Sets up Temporal's native core for this process: its logs go to ours, its metrics appear on our /metrics, and
 * signals stay ours. To be called before every connection: core goes when the last one does, and would come back by
 * itself at a port that another process may have by then. Where it is there already, nothing changes.
 *
 * @param port finds one that is free on loopback
 * @throws when another process takes that port before core does; another call looks for another port
 */
export async function installRuntime(log: Logger, port: () => Promise<number> = freePort): Promise<void> {
  const address = `127.0.0.1:${await port()}`;
  try {
    Runtime.install(optionsFor(address, log.child({ component: 'temporal' })));
  } catch (error) {
    if (error instanceof IllegalStateError) return; // it is there
    throw error;
  }
  if (metricsAddress === undefined) addMetricsSource(readMetrics);
  metricsAddress = address;
}

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const satisfies Record<
  LogLevel,
  string
>;

function optionsFor(address: string, log: Logger): RuntimeOptions {
  const least = (Object.keys(LEVELS) as LogLevel[]).find((level) => log.isLevelEnabled(LEVELS[level])) ?? 'ERROR';
  const logger = new DefaultLogger(least, ({ level, message, meta }) => {
    const { error, ...rest } = meta ?? {};
    log[LEVELS[level]](error === undefined ? rest : { ...rest, err: error }, message);
  });
  return {
    logger,
    shutdownSignals: [],
    workerHeartbeatInterval: 0,
    telemetryOptions: {
      // The client's retries are many lines about one thing: that Temporal is away, which readiness says.
      logging: { filter: 'error,temporalio_sdk_core=warn,temporalio_client=error', forward: {} },
      metrics: { prometheus: { bindAddress: address, countersTotalSuffix: true, useSecondsForDurations: true } },
    },
  };
}

async function readMetrics(): Promise<string> {
  const response = await fetch(`http://${metricsAddress}/metrics`, { signal: AbortSignal.timeout(1_000) });
  return response.text();
}

/** Core serves its metrics on a port that it must be given. */
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
