import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { PARSING } from '../validation/schema.ts';

/**
 * What must hold between variables: what is wrong, by the variable's name. It is also asked when some variables are
 * wrong by themselves, so that everything is reported at once: those are not there then.
 */
export type ConfigCheck<S extends z.ZodRawShape> = (config: Partial<z.output<z.ZodObject<S>>>) => Record<string, string>;

/**
 * Reads a process's settings from the environment, all at once.
 *
 * @param shape one zod schema per environment variable
 * @param check what must hold between them
 * @throws ConfigError that lists every variable that is missing or wrong, without showing any value
 */
export function loadConfig<S extends z.ZodRawShape>(
  shape: S,
  env: NodeJS.ProcessEnv,
  check: ConfigCheck<S> = () => ({}),
): z.output<z.ZodObject<S>> {
  // An empty variable is as good as none: `FOO= npm start` unsets it.
  const given = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const config: Record<string, unknown> = {};
  const wrong: [name: string, why: string][] = [];
  for (const [name, schema] of Object.entries(shape)) {
    const parsed = z.safeParse(schema, given(name), PARSING);
    if (parsed.success) config[name] = parsed.data;
    else if (given(name) === undefined) wrong.push([name, 'is missing']);
    else wrong.push(...parsed.error.issues.map(({ message }): [string, string] => [name, message]));
  }
  wrong.push(...Object.entries(check(config as Partial<z.output<z.ZodObject<S>>>)));
  if (wrong.length === 0) return config as z.output<z.ZodObject<S>>;
  throw new ConfigError('The environment does not configure this process:', wrong);
}

export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly #title: string;
  /** Each with the variable's name and why; never a value. */
  readonly wrong: readonly (readonly [name: string, why: string])[];

  constructor(title: string, wrong: ConfigError['wrong']) {
    super([title, ...wrong.map(([name, why]) => `  ${name}: ${why}`)].join('\n'));
    this.#title = title;
    this.wrong = wrong;
  }

  /** The same, with variables by other names. */
  renamed(nameOf: (variable: string) => string): ConfigError {
    return new ConfigError(
      this.#title,
      this.wrong.map(([name, why]) => [nameOf(name), why]),
    );
  }
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

/** A non-empty string that must not be shown. */
export const secret = () =>
  z
    .string()
    .min(1)
    .transform((value) => new Secret(value));

/** `//`, the user and password if any, one or more hosts, and the rest. RFC 3986, section 3.2 */
const AUTHORITY = /^\/\/(?:([^@/?#\s]*)@)?([^@/?#\s]+)(?:[/?#]\S*)?$/;
const HOST = /^(?:[^\s:[\]]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;
const isHost = (text: string): boolean => {
  const found = HOST.exec(text);
  return found !== null && Number(found[1] ?? 0) <= 65_535;
};

/** The URL of a store, which may hold a password. @param protocols by name, and whether it may have several hosts */
const storeUrl = (example: string, protocols: Readonly<Record<string, 'one' | 'several'>>) =>
  z
    .string()
    .refine((value) => {
      const colon = value.indexOf(':');
      const [, user = '', all = ''] = AUTHORITY.exec(value.slice(colon + 1)) ?? [];
      const isEncoded = !/%(?![0-9A-Fa-f]{2})/.test(user);
      const [allowed, hosts] = [protocols[value.slice(0, colon)], all.split(',')];
      return allowed !== undefined && (allowed === 'several' || hosts.length === 1) && isEncoded && hosts.every(isHost);
    }, `must be like ${example}, with what is no letter or digit in the user and password percent-encoded`)
    .transform((value) => new Secret(value));

export const postgresUrl = () => storeUrl('postgres://user:password@host:5432/postgres', { postgres: 'one', postgresql: 'one' });
export const mongodbUrl = () => storeUrl('mongodb://host:27017/?replicaSet=rs0', { mongodb: 'several', 'mongodb+srv': 'one' });
export const redisUrl = () => storeUrl('redis://host:6379', REDIS);
/** Of one server, or of some nodes of a Redis Cluster. */
export const redisOrClusterUrl = () =>
  storeUrl('redis://host:6379 or redis+cluster://host:6379,host:6379', {
    ...REDIS,
    ...{ 'redis+cluster': 'several', 'rediss+cluster': 'several' },
  });
const REDIS = { redis: 'one', rediss: 'one' } as const;

/** Where clients find us. */
export const httpUrl = () => z.url({ protocol: /^https?$/, error: 'must be a URL like https://musubi.example.org' });

export interface Address {
  /** A name or an IP address, one of IPv6 without brackets: as sockets take it. */
  host: string;
  port: number;
}

/** An address as URLs and gRPC take it: an IPv6 address is in brackets. */
export function hostPort({ host, port }: Address): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** `host:port`, `[IPv6]:port`; port 0 asks the system for a free one. */
export const address = () =>
  z
    .string()
    .transform((value, context): Address => {
      const [, name, ip = '', port] = /^(?:([^\s:[\]]+)|\[([^\s\]]+)\]):(\d{1,5})$/.exec(value) ?? [];
      if (name || isIPv6(ip)) return { host: name ?? ip, port: Number(port) };
      context.addIssue('must be host:port or [IPv6]:port');
      return z.NEVER;
    })
    .refine(({ port }) => port <= 65_535, 'must have a port of at most 65535');

/** `host:port` of a gRPC peer, kept as the text that gRPC takes (so `dns:///name:port` works too). */
export const peer = () =>
  z.string().refine((value) => {
    const port = /:(\d{1,5})$/.exec(value)?.[1];
    return port !== undefined && Number(port) <= 65_535 && /^(?!https?:)\S+$/.test(value);
  }, 'must be host:port');

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

/** A comma-separated list of web origins (RFC 6454), as browsers send them in `Origin`. Default: none. */
export const origins = () =>
  z
    .string()
    .transform((value, context): string[] =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter(Boolean)
        .map((item) => {
          const url = URL.parse(item);
          if (url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/` && !item.includes('*')) return url.origin;
          context.addIssue('must be origins such as https://app.example.org, without a path or a *');
          return '';
        }),
    )
    .default([]);

/**
 * The web origins whose pages may use the API: those of MUSUBI_ALLOWED_ORIGINS and the gateway's own. A gateway on this
 * machine has two, for its pages can be opened by the name and by the number of the loopback interface.
 *
 * @param publicUrl where clients find the gateway
 */
export function allowedOrigins(configured: readonly string[], publicUrl?: string): ReadonlySet<string> {
  const allowed = new Set(configured);
  if (publicUrl === undefined) return allowed;
  const own = new URL(publicUrl);
  allowed.add(own.origin);
  if (['localhost', '127.0.0.1', '[::1]'].includes(own.hostname)) {
    for (const hostname of ['localhost', '127.0.0.1']) {
      own.hostname = hostname;
      allowed.add(own.origin);
    }
  }
  return allowed;
}

export const integer = (minimum: number, maximum: number) => {
  const error = `must be a whole number from ${minimum} to ${maximum}`;
  return z.coerce.number({ error }).int({ error }).min(minimum, { error }).max(maximum, { error });
};

/** So many at once, and then one more every so many seconds. */
export interface Rate {
  burst: number;
  everySeconds: number;
}

/** `10+1/30s`: ten at once, and then one more every 30 seconds. */
export const rate = () =>
  z.string().transform((value, context): Rate => {
    const [, burst, more, seconds] = /^([1-9]\d{0,5})\+([1-9]\d{0,5})\/([1-9]\d{0,5})s$/.exec(value) ?? [];
    if (burst && more && seconds) return { burst: Number(burst), everySeconds: Number(seconds) / Number(more) };
    context.addIssue('must be like 10+1/30s: ten, and one more every 30 seconds');
    return z.NEVER;
  });

export const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

/** Settings that every program has; in a process of several each may have its own. */
export const programShape = {
  MUSUBI_LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
};

/** Settings that every process has. */
export const processShape = {
  /** Where /livez, /readyz, /healthz and /metrics are served. */
  MUSUBI_OPS_LISTEN: address().default({ host: '127.0.0.1', port: 0 }),
  /** Whether /metrics is served there, too. */
  MUSUBI_METRICS: oneOf(['on', 'off']).default('on'),
  /** Seconds that an ordered stop may take before it is forced. */
  MUSUBI_STOP_TIMEOUT: integer(1, 600).default(20),
};
