import { randomUUID } from 'node:crypto';
import { MusubiError } from '#platform/errors.ts';
import type { Logger } from '#platform/log.ts';
import { CLOSE, type CloseCode, type Cursor, type Limits } from './domain.ts';
import type { Hub } from './hub.ts';
import { closeCodeOf, closeReasonOf, type Identity, identify, leftOf, type Peers } from './identity.ts';
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
  readonly code: CloseCode;
  constructor(code: CloseCode, reason: string) {
    super(reason);
    this.code = code;
  }
}

/** A closed socket may stay registered for so long after its token expired. */
export const SLACK_MS = 60_000;
/**
 * Finds out who a client is and registers a socket for it.
 *
 * @throws Refused
 */
export async function admit({ store, hub, peers, limits, log }: SessionContext, token: string): Promise<Admission> {
  try {
    const identity = await identify(peers, token);
    const socketId = randomUUID();
    const now = await store.register(
      identity.memberId,
      socketId,
      hub.instance,
      leftOf(identity) + SLACK_MS,
      limits.socketsPerMember,
    );
    if (!now) throw new Refused(CLOSE.tooMany, 'too many sockets of this member');
    return { socketId, identity, now };
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (!(error instanceof MusubiError)) {
      log.error({ err: error }, 'a socket was refused on a defect');
      throw new Refused(CLOSE.defect, 'the server failed');
    }
    throw new Refused(closeCodeOf(error), closeReasonOf(error));
  }
}
