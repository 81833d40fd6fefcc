import { MusubiError } from '../errors.ts';
import { InProcess } from '../grpc/in-process.ts';
import { addressVariable } from '../grpc/peers.ts';
import { type Address, ConfigError, hostPort, loadConfig, processShape } from './config.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLogger } from './log.ts';
import { serveOps } from './ops-server.ts';
import { type Configured, configure, givenAs, ofProgram, type Program, TaskError, UsageError } from './program.ts';

/**
 * Runs programs as this process, each as it runs alone, with its own settings, log and lifecycle: config → telemetry →
 * /livez, /readyz, /healthz, /metrics of all → `start` of each, side by side. SIGTERM or SIGINT stops them round by round. A
 * second signal forces. Never returns a failure: a process that cannot start says why and exits with 1 (2 for its
 * configuration or usage).
 *
 * @param rounds the programs by name, in the order of their stop: those of one round are stopped side by side, and who is
 *   called is stopped after who calls
 */
export async function runProcess(rounds: readonly Record<string, Program>[], env: NodeJS.ProcessEnv): Promise<void> {
  const { programs, settings } = configureAll(rounds, env);
  const all = programs.flat();
  const name = all.map((program) => program.name).join(',');
  const { MUSUBI_OPS_LISTEN: listen, MUSUBI_STOP_TIMEOUT: seconds } = settings;
  const shown = { metrics: settings.MUSUBI_METRICS === 'on' };
  const [first] = all as [Configured];
  const log = all.length === 1 ? first.log : createLogger(name, first.log.level);
  const lifecycles = new Map(all.map((program) => [program.name, program.lifecycle]));
  const inProcess = new InProcess(lifecycles);
  /** What is the process's own. */
  const own = new Lifecycle(log.child({}, { level: 'warn' }), seconds * 1_000);

  let stopping: Promise<void> | undefined;
  const stop = async (reason: string): Promise<void> => {
    const until = performance.now() + seconds * 1_000;
    for (const round of programs) {
      await Promise.all(round.map(({ lifecycle }) => lifecycle.stop(reason, until - performance.now())));
    }
    await own.stop(reason);
  };
  const exit = async (reason: string, code: number): Promise<never> => {
    stopping ??= stop(reason);
    await stopping;
    process.exit(code);
  };
  const exitSoon = (reason: string, code: number): void => {
    exit(reason, code).catch(() => process.exit(1));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'forced');
      process.exit(1);
    }
    exitSoon(signal, 0);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // A defect that nobody caught leaves unknown state behind: log it, stop, and let the supervisor start a new process.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    exitSoon('uncaught exception', 1);
  });
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    exitSoon('unhandled rejection', 1);
  });

  /** @returns whether it was a task: that is done then, and is asked for nothing more */
  const begin = async ({ start, ...program }: Configured): Promise<boolean> => {
    try {
      const app = { ...program, inProcess };
      const outcome = await program.tracing.run(() => start(app as never));
      if (outcome === 'done') {
        await program.lifecycle.stop('done');
        // Nobody asks a task that is done how it is.
        lifecycles.delete(program.name);
        return true;
      }
      program.lifecycle.markStarted();
      program.log.info('ready');
      return false;
    } catch (error) {
      const told = tellable(error, program.prints);
      if (told !== undefined) {
        process.stderr.write(`${program.name}: ${told}\n`);
        return exit('not done', error instanceof UsageError ? 2 : 1);
      }
      program.log.fatal({ err: error }, 'could not start');
      return exit('could not start', 1);
    }
  };
  await serveOps(listen, lifecycles, log, own, shown).catch((error: unknown) => {
    log.fatal({ err: error }, 'could not start');
    return exit('could not start', 1);
  });
  const done = await Promise.all(all.map(begin));
  if (done.every(Boolean)) await exit('done', 0);
}

/** What is told in a line, rather than logged as a defect. @param isTask whether people wait for what it prints: what a service has answered is for them */
function tellable(error: unknown, isTask: boolean): string | undefined {
  if (error instanceof UsageError || error instanceof TaskError) return error.message;
  if (!isTask || !(error instanceof MusubiError)) return undefined;
  // To callers it is as if the service were away.
  const { code } = error.cause instanceof MusubiError ? error.cause : error;
  if (code === 'CALLER_UNKNOWN') return `${error.message} The public half of its key has to be in MUSUBI_CALLERS of the service.`;
  const away = 'a service is not where MUSUBI_…_ADDRESS says, or is away';
  return code === 'SERVICE_UNAVAILABLE' ? `${away}: ${error.message}` : error.message;
}

/** Says everything that is wrong with the environment at once, and ends the process, when something is. */
function configureAll(rounds: readonly Record<string, Program>[], env: NodeJS.ProcessEnv) {
  let isWrong = false;
  const orWrong = <T>(whose: string, read: () => T): T[] => {
    try {
      return [read()];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      process.stderr.write(`${whose}: ${error.message}\n`);
      isWrong = true;
      return [];
    }
  };
  const names = rounds.flatMap((round) => Object.keys(round));
  const [settings] = orWrong(names.join(','), () => loadConfig(processShape, env));
  // Programs of this process are called without a socket, so nobody need say where they are. What their callers' settings
  // ask for is this address, which is never dialled.
  const addresses = Object.fromEntries(names.map((name) => [addressVariable(name), `${name}:0`]));
  const programs = rounds.map((round) =>
    Object.entries(round).flatMap(([name, program]) =>
      orWrong(name, () => configure(name, program, { ...env, ...addresses }, (settings?.MUSUBI_STOP_TIMEOUT ?? 1) * 1_000)),
    ),
  );
  const listening = new Map<string, string>();
  for (const { name, config } of programs.flat()) orWrong(name, () => requireOwnPorts(name, config, env, listening));
  if (isWrong || !settings) process.exit(2);
  return { programs, settings };
}

/**
 * @param listening the programs by the addresses where they listen; this one is added
 * @throws ConfigError when another of the process listens there
 */
function requireOwnPorts(name: string, config: object, env: NodeJS.ProcessEnv, listening: Map<string, string>): void {
  const wrong: [string, string][] = [];
  for (const [variable, value] of Object.entries(config as Record<string, Address>)) {
    if (!variable.endsWith('_LISTEN') || value.port === 0) continue;
    const other = listening.get(hostPort(value));
    if (other) wrong.push([givenAs(name, variable, env), `is where ${other} listens: give ${ofProgram(name, variable)}`]);
    listening.set(hostPort(value), name);
  }
  if (wrong.length > 0) throw new ConfigError('The environment does not configure this process:', wrong);
}
