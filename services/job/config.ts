import { grpcShape } from '#platform/grpc/config.ts';
import { integer, rate, redisUrl } from '#platform/process/config.ts';

export const shape = {
  MUSUBI_REDIS_URL: redisUrl(),
  ...grpcShape,
  /** Seconds that a job is kept after its last change while it is not final. Default 7 days. */
  MUSUBI_JOB_ACTIVE_SECONDS: integer(1, 31_536_000).default(604_800),
  /** Seconds that a job is kept after it finished. Default 24 hours. */
  MUSUBI_JOB_FINISHED_SECONDS: integer(1, 31_536_000).default(86_400),
  /** Jobs that one member may have under way; more are refused (TOO_MANY_JOBS). */
  MUSUBI_JOB_IN_FLIGHT_PER_MEMBER: integer(1, 100_000).default(128),
  /** The same, on one aggregate: they wait for each other, so a queue of them helps nobody. */
  MUSUBI_JOB_IN_FLIGHT_PER_AGGREGATE: integer(1, 100_000).default(8),
  /** New jobs of one member over time: each costs all stores something, for a day up to a year. More are refused (TOO_MANY_JOBS). */
  MUSUBI_JOB_RATE_PER_MEMBER: rate().default({ burst: 120, everySeconds: 0.5 }),
};
