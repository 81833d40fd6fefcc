import type { z } from 'zod';
import { grpcShape } from '#platform/grpc/config.ts';
import { integer, postgresUrl } from '#platform/process/config.ts';

/** The settings of the group service. */
export const shape = {
  /** A PostgreSQL server; the service keeps its own database there. */
  MUSUBI_POSTGRES_URL: postgresUrl(),
  ...grpcShape,
  /** Seconds that a job is kept after it finished, and what it has added to groups with it. Default 24 hours, as Job's. */
  MUSUBI_JOB_FINISHED_SECONDS: integer(1, 31_536_000).default(86_400),
};

export type Config = z.output<z.ZodObject<typeof shape>>;
