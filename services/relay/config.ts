import { z } from 'zod';
import { integer, list, secret } from '#platform/config.ts';

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
  MUSUBI_KAFKA_BROKERS: list(),
  /** For topics that are created. */
  MUSUBI_KAFKA_PARTITIONS: integer(1, 1_000).default(3),
  MUSUBI_KAFKA_REPLICATION: integer(1, 10).default(1),
  // Needed only for sources of that kind.
  MUSUBI_POSTGRES_URL: secret().optional(),
  MUSUBI_MONGODB_URL: secret().optional(),
  MUSUBI_REDIS_URL: secret().optional(),
};

export type Config = z.output<z.ZodObject<typeof shape>>;
