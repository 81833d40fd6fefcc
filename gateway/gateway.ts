import type { Peer } from '#platform/grpc/client.ts';
import type { Logger } from '#platform/log.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import type { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import type { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import type { Commands } from '../worker/client.ts';
import type { AbandonedJobs } from './abandoned.ts';

/** How long a call may take that hashes a password, ms: hashes wait for their turn on a core (Auth refuses what would wait longer). */
export const HASHING_MS = 15_000;

/** What the routes stand on: the three services that answer at once, and the door to the sagas. */
export interface Gateway {
  auth: Peer<AuthServiceService>;
  job: Peer<JobServiceService>;
  query: Peer<QueryServiceService>;
  commands: Commands;
  /** Where jobs go whose saga could not be started. */
  abandoned: AbandonedJobs;
  log: Logger;
  /** Aborted when the process stops: whoever only waits should answer with what it has. */
  stopping: AbortSignal;
}
