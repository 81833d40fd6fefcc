import type { z } from 'zod';
import { address, postgresUrl } from '#platform/process/config.ts';

/** The settings of the member service. */
export const shape = {
  /** A PostgreSQL server; the service keeps its own database there. */
  MUSUBI_POSTGRES_URL: postgresUrl(),
  MUSUBI_GRPC_LISTEN: address(),
};

export type Config = z.output<z.ZodObject<typeof shape>>;
