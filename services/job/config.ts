import { address, integer, redisUrl } from '#platform/config.ts';

export const shape = {
  MUSUBI_REDIS_URL: redisUrl(),
  MUSUBI_GRPC_LISTEN: address(),
  /** Seconds that a job is kept after its last change while it is not final. Default 7 days. */
  MUSUBI_JOB_ACTIVE_SECONDS: integer(1, 31_536_000).default(604_800),
  /** Seconds that a job is kept after it finished. Default 24 hours. */
  MUSUBI_JOB_FINISHED_SECONDS: integer(1, 31_536_000).default(86_400),
};
