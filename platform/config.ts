import { z } from 'zod';

/**
 * Reads a process's settings from the environment, all at once.
 *
 * @param shape one zod schema per environment variable
 * @throws ConfigError that lists every variable that is missing or wrong, without showing any value
 */
export function loadConfig<S extends z.ZodRawShape>(shape: S, env: NodeJS.ProcessEnv): z.output<z.ZodObject<S>> {
  // An empty variable is as good as none: `FOO= npm start` unsets it.
  const given = Object.fromEntries(Object.keys(shape).map((name) => [name, env[name] === '' ? undefined : env[name]]));
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const name = issue.path.join('.');
    return `  ${name}: ${given[name] === undefined ? 'is missing' : issue.message}`;
  });
  throw new ConfigError(`The environment does not configure this process:\n${lines.join('\n')}`);
}

export class ConfigError extends Error {
  override name = 'ConfigError';
}

const MASK = '[secret]';

/** A value that shows as `[secret]` wherever it is logged or serialised. `reveal()` gives it. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return MASK;
  }
  toJSON(): string {
    return MASK;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return MASK;
  }
}

/** A non-empty string that must not be shown. URLs with passwords are secrets too. */
export const secret = () =>
  z
    .string()
    .min(1)
    .transform((value) => new Secret(value));

export interface Address {
  host: string;
  port: number;
}

/** `host:port`; port 0 asks the system for a free one. */
export const address = () =>
  z
    .string()
    .regex(/^[^\s:]+:\d{1,5}$/, 'must be host:port')
    .transform((value): Address => {
      const at = value.lastIndexOf(':');
      return { host: value.slice(0, at), port: Number(value.slice(at + 1)) };
    })
    .refine(({ port }) => port <= 65_535, 'must have a port of at most 65535');

/** `host:port` of a gRPC peer, kept as the text that gRPC takes (so `dns:///name:port` works too). */
export const peer = () => z.string().regex(/^\S+:\d{1,5}$/, 'must be host:port');

/** A comma-separated list. */
export const list = () =>
  z
    .string()
    .transform((value) =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter(Boolean),
    )
    .refine((items) => items.length > 0, 'must name at least one');

export const integer = (minimum: number, maximum: number) => z.coerce.number().int().min(minimum).max(maximum);

/** Settings that every process has. */
export const processShape = {
  MUSUBI_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  /** Where /livez, /readyz and /metrics are served. */
  MUSUBI_OPS_LISTEN: address().default({ host: '127.0.0.1', port: 0 }),
  /** Seconds that an ordered stop may take before it is forced. */
  MUSUBI_STOP_TIMEOUT: integer(1, 600).default(20),
};
