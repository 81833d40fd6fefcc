import { trace } from '@opentelemetry/api';
import { type Logger, type LoggerOptions, pino } from 'pino';

export type { Logger } from 'pino';

/** Keys whose values never reach a log, at any of the depths that our log calls use. */
const SECRET_KEYS = ['password', 'passwordRef', 'accessToken', 'refreshToken', 'authorization', 'token', 'cookie'];

/** The end of what nobody waits for: that it fails is a defect, which is logged, and ends nothing else. */
export const logDefect =
  (log: Pick<Logger, 'error'>, what: string) =>
  (error: unknown): void =>
    log.error({ err: error }, `a defect: ${what}`);

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
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[secret]' },
    mixin: () => {
      const span = trace.getActiveSpan()?.spanContext();
      return span ? { traceId: span.traceId, spanId: span.spanId } : {};
    },
  };
  return pino(options, pino.destination(stream === 'stdout' ? 1 : 2));
}
