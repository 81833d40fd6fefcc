import { trace } from '@opentelemetry/api';
import { type DestinationStream, type Logger, type LoggerOptions, pino, stdSerializers } from 'pino';

export type { Logger } from 'pino';

/** Keys whose values never reach a log. */
const SECRET_KEYS = new Set(['password', 'passwordRef', 'accessToken', 'refreshToken', 'authorization', 'token', 'cookie']);

const MASK = '[secret]';

/** How deep our log calls nest. */
const DEPTH = 3;

/** The end of what nobody waits for: that it fails is a defect, which is logged, and ends nothing. */
export const logDefect =
  (log: Pick<Logger, 'error'>, what: string) =>
  (error: unknown): void =>
    log.error({ err: error }, `a defect: ${what}`);

/** One for all loggers of the process: each would write at its own pace, and what happened later could be told first. */
const destinations = new Map<number, DestinationStream>();
function destinationOf(descriptor: 1 | 2): DestinationStream {
  const destination = destinations.get(descriptor) ?? pino.destination(descriptor);
  destinations.set(descriptor, destination);
  return destination;
}

/**
 * A logger of one program: JSON lines with the program's name and, inside a traced call, its trace and span IDs.
 *
 * @param stream where they go. Default: standard output
 */
export function createLogger(program: string, level: string, stream: 'stdout' | 'stderr' = 'stdout'): Logger {
  const options: LoggerOptions = {
    level,
    base: { program, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: masked },
    // What a logger always says. (Given the deeper paths too, it would make a line cost three times as much.)
    redact: { paths: [...SECRET_KEYS], censor: MASK },
    serializers: { err: (error: Error) => shown(stdSerializers.err(error)) },
    mixin: () => {
      const span = trace.getActiveSpan()?.spanContext();
      return span ? { traceId: span.traceId, spanId: span.spanId } : {};
    },
  };
  return pino(options, destinationOf(stream === 'stdout' ? 1 : 2));
}

/**
 * A copy without the values of secret keys, at any of the depths that our log calls use; the same object where it has none.
 */
function masked<T extends object>(of: T, depth = DEPTH): T {
  const all = of as Record<string, unknown>;
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(all)) {
    const value = all[key];
    const told = SECRET_KEYS.has(key) ? MASK : depth > 1 ? shown(value, depth - 1) : value;
    if (told === value) continue;
    copy ??= (Array.isArray(all) ? [...all] : { ...all }) as Record<string, unknown>;
    copy[key] = told;
  }
  return (copy ?? of) as T;
}

/** What is shown of a value. An error's serializer knows that of an error, and comes back here with it. */
const shown = (value: unknown, depth = DEPTH): unknown =>
  typeof value === 'object' && value !== null && !(value instanceof Error) ? masked(value, depth) : value;
