import { randomUUID } from 'node:crypto';
import { MusubiError } from '#platform/errors.ts';
import type { Logger } from '#platform/process/log.ts';
import { type Closing, type Cursor, closing, type Limits, REGISTERED_SLACK_MS } from './domain.ts';
import type { Hub } from './hub.ts';
import { closingFor, type Identity, identify, leftOf, type Peers } from './identity.ts';
import type { SocketStore } from './store.ts';

/** What a session works with. */
export interface SessionContext {
  store: SocketStore;
  hub: Hub;
  peers: Peers;
  limits: Limits;
  /** How long subscriptions are remembered after the socket is gone, in milliseconds: as long as events are. */
  keptMs: number;
  log: Logger;
}

/** A client that was let in, before it has a socket. */
export interface Admission {
  socketId: string;
  identity: Identity;
  /** Events after this are the socket's. */
  now: Cursor;
}

/** A client that was not let in. */
export class Refused extends Error {
  readonly closing: Closing;
  constructor(closing: Closing) {
    super(closing.reason);
    this.closing = closing;
  }
}

/**
 * Asks Auth who has a token, and registers the socket in the member's name. If the member's sockets were closed since Auth
 * was asked, what it said may not hold any more, and it is asked again.
 *
 * @param socket `memberId`: whose it must be; absent: anybody's. `narrow`: asks Auth what the socket may follow still, after the last
 *   closing or narrowing
 * @param allowed sockets that the member may have; default: any number, for one that is there already
 * @returns who has it, and the cursor of "now"
 * @throws Refused, and as `auth.Authenticate`
 */
export async function vouch(
  { store, hub, peers }: Pick<SessionContext, 'store' | 'hub' | 'peers'>,
  token: string,
  {
    socketId,
    memberId,
    narrow,
  }: { socketId: string; memberId?: string; narrow?: (identity: Identity, closings: number) => Promise<void> },
  allowed = Number.MAX_SAFE_INTEGER,
): Promise<Omit<Admission, 'socketId'>> {
  for (;;) {
    const closings = await store.closings();
    const identity = await identify(peers, token);
    if (memberId !== undefined && identity.memberId !== memberId)
      throw new Refused(closing('unauthenticated', 'TOKEN_INVALID', "the token is another member's"));
    await narrow?.(identity, closings);
    const named = { memberId: identity.memberId, socketId, closings };
    const answer = await hub.register(named, leftOf(identity) + REGISTERED_SLACK_MS, allowed);
    if (answer === 'too many') throw new Refused(closing('tooMany', 'TOO_MANY_SOCKETS'));
    if (answer !== 'closed') return { identity, ...answer };
  }
}

/**
 * Finds out who a client is and registers a socket for it.
 *
 * @throws Refused
 */
export async function admit(context: SessionContext, token: string): Promise<Admission> {
  const socketId = randomUUID();
  try {
    return { socketId, ...(await vouch(context, token, { socketId }, context.limits.socketsPerMember)) };
  } catch (error) {
    throw refusedBy(error, context.log);
  }
}

function refusedBy(error: unknown, log: Logger): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof MusubiError) return new Refused(closingFor(error));
  log.error({ err: error }, 'a socket was refused on a defect');
  return new Refused(closing('defect', 'INTERNAL'));
}
