import type { z } from 'zod';
import { type ConfigCheck, ConfigError, loadConfig, processShape } from './config.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLogger, type Logger } from './log.ts';
import { serveOps } from './ops-server.ts';
import { startTelemetry, type Tracing } from './telemetry.ts';

/** What a role's `start` is given: its settings and everything a process stands on. */
export interface App<Config> {
  config: Config;
  log: Logger;
  lifecycle: Lifecycle;
  tracing: Tracing;
}

/** What whoever started the process asked for cannot be done; the message says what can. */
export class UsageError extends Error {
  override name = 'UsageError';
}

type Shape = z.ZodRawShape;
type ConfigOf<S extends Shape> = z.output<z.ZodObject<S>> & z.output<z.ZodObject<typeof processShape>>;

/**
 * Runs one role as this process: config → telemetry → /livez, /readyz, /healthz, /metrics → `start`,
 * and stops in reverse on SIGTERM or SIGINT. A second signal forces. Never returns a failure:
 * a process that can't start says why and exits with 1 (2 for its configuration).
 *
 * `start` that returns `'done'` ends the process: a task, not a server. One that throws a `UsageError` was asked for what
 * cannot be done: that is said in a line, and it exits with 2.
 *
 * @param check what must hold between the variables of `shape`
 * @param prints whether standard output is for what it prints, so that its log goes to standard error. Default: no
 */
export async function runProcess<S extends Shape>(
  role: string,
  shape: S,
  env: NodeJS.ProcessEnv,
  start: (app: App<ConfigOf<S>>) => Promise<unknown>,
  check?: ConfigCheck<S>,
  prints = false,
): Promise<void> {
  let config: ConfigOf<S>;
  try {
    config = loadConfig<Shape>({ ...processShape, ...shape }, env, check as ConfigCheck<Shape> | undefined) as ConfigOf<S>;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${role}: ${error.message}\n`);
    process.exit(2);
  }
  const log = createLogger(role, config.MUSUBI_LOG_LEVEL as string, prints ? 'stderr' : 'stdout');
  const tracing = startTelemetry(role, env);
  const lifecycle = new Lifecycle(log, Number(config.MUSUBI_STOP_TIMEOUT) * 1_000);
  lifecycle.onStop('tracing', 'telemetry', () => tracing.stop());

  const exit = async (reason: string, code: number): Promise<never> => {
    await lifecycle.stop(reason);
    process.exit(code);
  };
  const exitSoon = (reason: string, code: number): void => {
    exit(reason, code).catch(() => process.exit(1));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (lifecycle.stopping) {
      log.warn({ signal }, 'forced');
      process.exit(1);
    }
    exitSoon(signal, 0);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // A defect that nobody caught leaves unknown state behind: log it, stop, and let the supervisor start anew.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    exitSoon('uncaught exception', 1);
  });
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    exitSoon('unhandled rejection', 1);
  });

  try {
    await serveOps(config.MUSUBI_OPS_LISTEN as { host: string; port: number }, lifecycle, log);
    const outcome = await start({ config, log, lifecycle, tracing });
    if (outcome === 'done') await exit('done', 0);
    lifecycle.markStarted();
    log.info('ready');
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${role}: ${error.message}\n`);
      await exit('could not start', 2);
    }
    log.fatal({ err: error }, 'could not start');
    await exit('could not start', 1);
  }
}
