import type { z } from 'zod';
import { grpcShape } from '#platform/grpc/config.ts';
import { postgresUrl } from '#platform/process/config.ts';

/** The settings of the group service. */
export const shape = {
  /** A PostgreSQL server; the service keeps its own database there. */
  MUSUBI_POSTGRES_URL: postgresUrl(),
  ...grpcShape,
};

export type Config = z.output<z.ZodObject<typeof shape>>;
