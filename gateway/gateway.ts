import { boundPeers, type Peers } from '#platform/grpc/peers.ts';
import type { Logger } from '#platform/process/log.ts';
import type { Job } from '#proto/musubi/job/v1/job.ts';
import { calledBy } from '../services/may-call.ts';
import type { Commands } from '../worker/client.ts';
import type { AbandonedJobs } from './commands/abandoned.ts';
import type { SingleFlight } from './commands/single-flight.ts';
import type { Waits } from './commands/waits.ts';

/** How long a call may take that hashes a password, ms: hashes wait for their turn on a core (Auth refuses what would wait longer). */
export const HASHING_TIMEOUT_MS = 15_000;

/** The contracts of the services that answer at once. */
export const CALLED = calledBy('gateway');

/** What the routes stand on: the services that answer at once, and the door to the sagas. */
export interface Gateway extends Peers<typeof CALLED> {
  commands: Commands;
  /** Where jobs go whose saga could not be started. */
  abandoned: AbandonedJobs;
  /** The requests that wait for jobs to end. */
  waits: Waits;
  /** The commands with a key that are being issued, by what their repeats have in common. */
  issuing: SingleFlight<Job>;
  log: Logger;
  /** Aborted when the process stops: whoever only waits should answer with what it has. */
  stopping: AbortSignal;
}

/** The gateway as the routes have it: what they ask of the services ends when the client leaves that it is asked for. */
export interface RequestGateway extends Gateway {
  /** Aborted when the request's client leaves. */
  left: AbortSignal;
  /** Whose calls go on when the client has left: for what changes something, and must not be left half done. */
  lasting: Gateway;
}

const bound = new WeakMap<AbortSignal, RequestGateway>();

/**
 * The gateway for a request, which all requests of a connection share.
 *
 * @param left aborted when the request's client leaves; a signal belongs to one gateway
 */
export function forRequest(gateway: Gateway, left: AbortSignal): RequestGateway {
  const known = bound.get(left);
  if (known) return known;
  const made = { ...gateway, ...boundPeers(left, CALLED, gateway), left, lasting: gateway };
  bound.set(left, made);
  return made;
}
