import { z } from 'zod';
import { kafkaShape } from '#platform/kafka/config.ts';
import { type ConfigCheck, list, mongodbUrl, postgresUrl, redisOrClusterUrl } from '#platform/process/config.ts';
import { OUTBOXES, type Outbox } from '../catalogue.ts';

const NAMES = OUTBOXES.map(({ name }) => name);
const SOURCE = /^([a-z][a-z0-9-]*)=(postgres|mongodb|redis):(\S+)$/;

const source = z.string().transform((text, context): Outbox => {
  const [, name, kind, place] = SOURCE.exec(text) ?? [];
  if (name && kind && place) return { name, kind: kind as Outbox['kind'], place };
  const own = OUTBOXES.find((outbox) => outbox.name === text);
  if (own) return own;
  context.addIssue(`${text} is none of ${NAMES.join(', ')}, nor name=(postgres|mongodb|redis):place`);
  return z.NEVER;
});

export const shape = {
  /** Services whose events are relayed, as `member` or `name=postgres:database`; all by default. */
  MUSUBI_RELAY_SOURCES: list().default(NAMES).pipe(z.array(source)),
  ...kafkaShape,
  // Needed only for sources of that kind: see `check`.
  MUSUBI_POSTGRES_URL: postgresUrl().optional(),
  MUSUBI_MONGODB_URL: mongodbUrl().optional(),
  MUSUBI_REDIS_URL: redisOrClusterUrl().optional(),
};

/** Where the servers of each kind of source are. */
export const STORE_URLS = {
  postgres: 'MUSUBI_POSTGRES_URL',
  mongodb: 'MUSUBI_MONGODB_URL',
  redis: 'MUSUBI_REDIS_URL',
} as const satisfies Record<Outbox['kind'], string>;

export const check: ConfigCheck<typeof shape> = ({ MUSUBI_RELAY_SOURCES: sources = [], ...config }) => {
  const needed = new Set(sources.map(({ kind }) => STORE_URLS[kind]).filter((name) => !config[name]));
  return Object.fromEntries([...needed].map((name) => [name, 'is missing: a source of MUSUBI_RELAY_SOURCES needs it']));
};

export type Config = z.output<z.ZodObject<typeof shape>>;
