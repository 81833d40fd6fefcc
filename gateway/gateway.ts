import { boundTo, type Peer } from '#platform/grpc/client.ts';
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

/** The gateway as the routes have it: what they ask of the services ends when the client leaves that it is asked for. */
export interface RequestGateway extends Gateway {
  /** Whose calls go on when the client has left: for what changes something, and must not be left half done. */
  lasting: Gateway;
}

/** @param left aborted when the request's client leaves */
export function forRequest(gateway: Gateway, left: AbortSignal): RequestGateway {
  const { auth, job, query } = gateway;
  return { ...gateway, auth: boundTo(left, auth), job: boundTo(left, job), query: boundTo(left, query), lasting: gateway };
}
