import { z } from 'zod';
import { type ConfigCheck, integer, list, peer } from '../process/config.ts';
import type { TopicOptions } from './topics.ts';

/**
 * The settings of every process that uses Kafka. Whoever needs a topic first creates it, reader or writer, so all of
 * them need the same partitions and replication.
 */
export const kafkaShape = {
  /** `host:port` of some brokers; the others are found. */
  MUSUBI_KAFKA_BROKERS: list().pipe(z.array(peer())),
  /** Of topics that are created. */
  MUSUBI_KAFKA_PARTITIONS: integer(1, 1_000).default(3),
  /** Copies of each partition of topics that are created; at most as many as there are brokers. */
  MUSUBI_KAFKA_REPLICATION: integer(1, 10).default(1),
};

/** The settings as `subscribe` and `relay` take them, with how long the events of topics are kept. */
export function kafkaOptions(
  config: z.output<z.ZodObject<typeof kafkaShape>>,
  keptDays: Required<TopicOptions>['keptDays'],
): { brokers: string[] } & Required<TopicOptions> {
  return {
    keptDays,
    brokers: config.MUSUBI_KAFKA_BROKERS,
    partitions: config.MUSUBI_KAFKA_PARTITIONS,
    replication: config.MUSUBI_KAFKA_REPLICATION,
  };
}

/** The settings of the task `redrive`. */
export const redriveShape = {
  ...kafkaShape,
  /** What to do: `list` what is parked, `redrive` it, or `discard` it for good. */
  MUSUBI_REDRIVE_ACTION: z.enum(['list', 'redrive', 'discard']).default('redrive'),
  /** The consumer group; for `list` all by default. */
  MUSUBI_REDRIVE_GROUP: z.string().min(1).optional(),
  /** A parked message's event ID or its number; all of the group by default, but to discard one has to be named. */
  MUSUBI_REDRIVE_EVENT: z.string().min(1).optional(),
};

export const checkRedrive: ConfigCheck<typeof redriveShape> = (config) => {
  const { MUSUBI_REDRIVE_ACTION: action, MUSUBI_REDRIVE_GROUP: group, MUSUBI_REDRIVE_EVENT: event } = config;
  const missing: Record<string, string> = {};
  if (action !== 'list' && group === undefined) missing.MUSUBI_REDRIVE_GROUP = 'is missing: --list tells which groups there are';
  if (action === 'discard' && event === undefined)
    missing.MUSUBI_REDRIVE_EVENT = 'is missing: what is discarded is named one by one';
  return missing;
};
