import { z } from 'zod';
import { type ConfigCheck, list, mongodbUrl, postgresUrl, redisUrl } from '#platform/config.ts';
import { kafkaShape } from '#platform/kafka/config.ts';

/** The outboxes of our services: which kind of store, and where in it. */
const OUTBOXES: Record<string, string> = {
  member: 'postgres:musubi_member',
  role: 'postgres:musubi_role',
  auth: 'mongodb:musubi_auth',
  job: 'redis:outbox:job',
};

export interface SourceSetting {
  name: string;
  kind: 'postgres' | 'mongodb' | 'redis';
  /** The database; the stream's key on Redis. */
  place: string;
}

const SOURCE = /^([a-z][a-z0-9-]*)=(postgres|mongodb|redis):(\S+)$/;

const source = z.string().transform((text, context): SourceSetting => {
  const [, name, kind, place] = SOURCE.exec(text.includes('=') ? text : `${text}=${OUTBOXES[text]}`) ?? [];
  if (name && kind && place) return { name, kind: kind as SourceSetting['kind'], place };
  context.addIssue(`${text} is none of ${Object.keys(OUTBOXES).join(', ')}, nor name=(postgres|mongodb|redis):place`);
  return z.NEVER;
});

export const shape = {
  /** Services whose events are relayed, as `member` or `name=postgres:database`; all by default. */
  MUSUBI_RELAY_SOURCES: list().default(Object.keys(OUTBOXES)).pipe(z.array(source)),
  ...kafkaShape,
  // Needed only for sources of that kind: see `check`.
  MUSUBI_POSTGRES_URL: postgresUrl().optional(),
  MUSUBI_MONGODB_URL: mongodbUrl().optional(),
  MUSUBI_REDIS_URL: redisUrl().optional(),
};

/** Where the servers of each kind of source are. */
export const STORE_URLS = {
  postgres: 'MUSUBI_POSTGRES_URL',
  mongodb: 'MUSUBI_MONGODB_URL',
  redis: 'MUSUBI_REDIS_URL',
} as const satisfies Record<SourceSetting['kind'], string>;

export const check: ConfigCheck<typeof shape> = ({ MUSUBI_RELAY_SOURCES: sources = [], ...config }) => {
  const needed = new Set(sources.map(({ kind }) => STORE_URLS[kind]).filter((name) => !config[name]));
  return Object.fromEntries([...needed].map((name) => [name, 'is missing: a source of MUSUBI_RELAY_SOURCES needs it']));
};

export type Config = z.output<z.ZodObject<typeof shape>>;
