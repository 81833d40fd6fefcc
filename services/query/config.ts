import type { z } from 'zod';
import { grpcShape } from '#platform/grpc/config.ts';
import { kafkaShape } from '#platform/kafka/config.ts';
import { postgresUrl } from '#platform/process/config.ts';

/** The settings of the query service. */
export const shape = {
  /** A PostgreSQL server; the read models are a database of their own there. */
  MUSUBI_POSTGRES_URL: postgresUrl(),
  ...kafkaShape,
  ...grpcShape,
};

export type Config = z.output<z.ZodObject<typeof shape>>;
