import { createHash } from 'node:crypto';

/** What something is done to. */
export interface Audited {
  /** As policies name it (`Member`), or `Session`, `LoginHold`. */
  type: string;
  id: string;
}

/** From where somebody asks, as the gateway sees it. */
export interface Origin {
  /** An IPv4 address, or an IPv6 network of 64 bits; empty: not known. */
  address: string;
  /** The client's User-Agent; empty: not known. */
  client: string;
}

/** What a member's key has sealed: by it alone an event tells from where. */
export interface SealedOrigin {
  /** Whose key it is; empty: nobody's, for what was done in no known member's name. */
  sealedFor: string;
  /** An {@link Origin}. */
  origin: string;
}

/** What an event tells, before it has a time. */
export interface Happened {
  /** As policies name it: `member.update`, `auth.login`. */
  action: string;
  /** DONE; UNDONE when what an earlier event of the same job tells was taken back; or the code of a refusal. Default: DONE. */
  outcome?: string | undefined;
  /** Of refusals: how many there were in one minute. Of what was done to many at once: to how many, which need not all be named. */
  count?: number | undefined;
  /** The member that did it; absent: the system itself did, or nobody knows. */
  actorId?: string | undefined;
  /** The session in which it did. */
  sessionId?: string | undefined;
  jobId?: string | undefined;
  /** 32 hex digits. */
  traceId?: string | undefined;
  /** First what was asked for, then what the change names besides. */
  resources: readonly Audited[];
  from?: SealedOrigin | undefined;
}

/** An event as it waits for its place in the chain. Nothing in it is personal but what is sealed, and IDs. */
export interface WaitingEvent extends Happened {
  /** A UUIDv7. */
  _id: string;
  /** When it was done, by the store's clock; of refusals: when their minute began. */
  at: Date;
}

/** An event in the chain, which nothing changes any more. */
export interface ChainedEvent extends Happened {
  /** Its place: 1, 2, 3, … */
  _id: number;
  /** The first of those that were chained with it, in one write. The last of them is signed. */
  first: number;
  chainedAt: Date;
  eventId: string;
  at: Date;
  /** {@link hashOf}. */
  hash: string;
  /** Of the last of those that were chained together: what Auth's key says of its hash. */
  signature?: string;
}

/** The hash before the first event. */
export const GENESIS = '';

/**
 * All that an event says, in one form: JSON without white space, of an array that begins with the form's number and the event's place. What
 * is absent is null.
 */
export function contentOf(event: Omit<ChainedEvent, 'hash' | 'signature'>): string {
  const { _id, first, chainedAt, eventId, at, action, outcome, count, actorId, sessionId, jobId, traceId, resources, from } =
    event;
  const orNull = (value: string | number | undefined) => value ?? null;
  return JSON.stringify([
    1,
    _id,
    first,
    chainedAt.toISOString(),
    eventId,
    at.toISOString(),
    action,
    ...[outcome, count, actorId, sessionId, jobId, traceId].map(orNull),
    resources.map(({ type, id }) => [type, id]),
    from ? [from.sealedFor, from.origin] : null,
  ]);
}

/** What ties an event to all before it: SHA-256 in base64url. */
export const hashOf = (before: string, content: string): string =>
  createHash('sha256').update(`${before}\n${content}`).digest('base64url');
