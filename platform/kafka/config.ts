import { z } from 'zod';
import { integer, list, peer } from '../config.ts';
import type { TopicOptions } from './topics.ts';

/**
 * The settings of every process that uses Kafka. Whoever needs a topic first creates it, reader or writer, so all of
 * them have to be told the same partitions and replication.
 */
export const kafkaShape = {
  /** `host:port` of some brokers; the others are found. */
  MUSUBI_KAFKA_BROKERS: list().pipe(z.array(peer())),
  /** Of topics that are created. */
  MUSUBI_KAFKA_PARTITIONS: integer(1, 1_000).default(3),
  /** Copies of each partition of topics that are created; at most as many as there are brokers. */
  MUSUBI_KAFKA_REPLICATION: integer(1, 10).default(1),
};

/** The settings as `subscribe` and `relay` take them. */
export function kafkaOptions(config: z.output<z.ZodObject<typeof kafkaShape>>): { brokers: string[] } & Required<TopicOptions> {
  return {
    brokers: config.MUSUBI_KAFKA_BROKERS,
    partitions: config.MUSUBI_KAFKA_PARTITIONS,
    replication: config.MUSUBI_KAFKA_REPLICATION,
  };
}
