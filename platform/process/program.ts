import type { z } from 'zod';
import type { InProcess } from '../grpc/in-process.ts';
import { type ConfigCheck, ConfigError, loadConfig, programShape } from './config.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLogger, type Logger } from './log.ts';
import { startTelemetry, type Tracing } from './telemetry.ts';

type Shape = z.ZodRawShape;
export type ConfigOf<S extends Shape> = z.output<z.ZodObject<S>> & z.output<z.ZodObject<typeof programShape>>;

/** What a program's `start` is given: its settings and everything that it stands on. */
export interface App<Config> {
  config: Config;
  log: Logger;
  lifecycle: Lifecycle;
  tracing: Tracing;
  /** How programs of the same process are called. */
  inProcess: InProcess;
}

/** What whoever started the process asked for cannot be done; the message says what can. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** A task has found what should not be, or has not done all that it was asked for; the message says what, and what to do. */
export class TaskError extends Error {
  override name = 'TaskError';
}

/** What a program's main.ts exports. */
export interface Program {
  /** The environment variables that it reads. */
  shape: Shape;
  /** What must hold between them. */
  check?: ConfigCheck<never>;
  /** Whether standard output is for what it prints, so that its log goes to standard error. Default: no. */
  prints?: boolean;
  /**
   * Begins its work. `'done'`: it was a task, which has ended; a process ends when all of its programs have. A `UsageError`
   * says in a line that what was asked for cannot be done, a `TaskError` what has become of it.
   *
   * Each program knows its own configuration; who starts it needs none of it.
   */
  start(app: App<never>): Promise<unknown>;
}

/** A program with its settings, that was not started yet. */
export interface Configured {
  name: string;
  /** As its program says. */
  prints: boolean;
  start: Program['start'];
  config: ConfigOf<Shape>;
  log: Logger;
  lifecycle: Lifecycle;
  tracing: Tracing;
}

/** Reads a program's settings. @param stopTimeoutMs how long its stop may take. @throws ConfigError that names the program's own variables, where those are given */
export function configure(
  name: string,
  { shape, check, prints = false, start }: Program,
  env: NodeJS.ProcessEnv,
  stopTimeoutMs: number,
): Configured {
  const config = configOf(name, { shape, check: check as ConfigCheck<Shape> | undefined }, env);
  const log = createLogger(name, config.MUSUBI_LOG_LEVEL, prints ? 'stderr' : 'stdout');
  const tracing = startTelemetry(name, env);
  const lifecycle = new Lifecycle(log, stopTimeoutMs);
  lifecycle.onStop('tracing', 'telemetry', () => tracing.stop());
  return { name, prints, start, config, log, lifecycle, tracing };
}

/** A program's settings. @throws ConfigError that names its own variables, where those are given */
export function configOf(
  name: string,
  { shape, check }: { shape: Shape; check?: ConfigCheck<Shape> | undefined },
  env: NodeJS.ProcessEnv,
): ConfigOf<Shape> {
  try {
    return loadConfig<Shape>({ ...programShape, ...shape }, environmentOf(name, env), check) as ConfigOf<Shape>;
  } catch (error) {
    throw error instanceof ConfigError ? error.renamed((variable) => givenAs(name, variable, env)) : error;
  }
}

/** The variable of one program only: `MUSUBI_MEMBER_POSTGRES_URL`. */
export const ofProgram = (name: string, variable: string): string =>
  variable.replace(/^MUSUBI_/, `MUSUBI_${name.toUpperCase()}_`);

/** The variable that says it to the program: its own, or the one of all. */
export function givenAs(name: string, variable: string, env: NodeJS.ProcessEnv): string {
  const own = ofProgram(name, variable);
  return env[own] ? own : variable;
}

/**
 * The environment as one program sees it: `MUSUBI_MEMBER_POSTGRES_URL` is the program member's `MUSUBI_POSTGRES_URL`, so that
 * programs of one process have secrets, database users and addresses of their own. An empty one counts as none.
 */
export function environmentOf(name: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = ofProgram(name, 'MUSUBI_');
  const seen = { ...env };
  for (const [variable, value] of Object.entries(env)) {
    if (value !== '' && variable.startsWith(own)) seen[`MUSUBI_${variable.slice(own.length)}`] = value;
  }
  return seen;
}
