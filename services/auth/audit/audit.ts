import { status } from '@grpc/grpc-js';
import type { ClientSession } from 'mongodb';
import { MusubiError } from '#platform/errors.ts';
import { toMongoError } from '#platform/mongo/database.ts';
import type { Secret } from '#platform/process/config.ts';
import { currentTraceId } from '#platform/process/telemetry.ts';
import { newId } from '#platform/validation/id.ts';
import type { Store } from '../store.ts';
import { Chain } from './chain.ts';
import type { Happened, Origin, SealedOrigin } from './event.ts';
import { Refusals } from './refusals.ts';

/** Of a client's name so many characters are kept. */
const LONGEST_CLIENT = 256;

/** Refused with these: who asks may not, is not who it says, or asks too often. */
const COUNTED: readonly status[] = [status.PERMISSION_DENIED, status.UNAUTHENTICATED, status.RESOURCE_EXHAUSTED];
/** Every client meets the first every few minutes; the second has an event of its own. */
const NOT_COUNTED: readonly string[] = ['TOKEN_EXPIRED', 'REFRESH_TOKEN_REUSED'];

/**
 * The audit: who did what to whom, when and from where. What is done is written in the transaction that does it, so there is no event without
 * its change and no change without its event; what is refused is counted.
 */
export class Audit {
  readonly chain: Chain;
  readonly refusals: Refusals;
  readonly #store: Store;

  constructor(store: Store, masterKey: Secret, { countsAtMost }: { countsAtMost?: number } = {}) {
    const { mongo, clock, memberKeys: keys, audit } = store;
    this.#store = store;
    this.chain = new Chain(mongo, audit, clock, masterKey);
    this.refusals = new Refusals(
      { mongo, ...audit },
      { clock, keys, masterKey, ...(countsAtMost ? { atMost: countsAtMost } : {}) },
    );
  }

  /**
   * Seals from where a member asks, before the transaction that an event is written in.
   *
   * @returns undefined: nobody knows from where, or the member was erased
   */
  async seal(memberId: string, { address, client }: Origin = { address: '', client: '' }): Promise<SealedOrigin | undefined> {
    if (address === '' && client === '') return undefined;
    const said: Origin = { address, client: client.slice(0, LONGEST_CLIENT) };
    const origin = await this.#store.memberKeys.seal(memberId, JSON.stringify(said));
    return origin === undefined ? undefined : { sealedFor: memberId, origin };
  }

  /** Writes what happens, as a part of the transaction in which it does. Its trace is the call's, by default. */
  async note(session: ClientSession, happened: Happened): Promise<void> {
    const { traceId = currentTraceId(), ...rest } = happened;
    const at = new Date(this.#store.clock.now());
    await this.#store.audit.waiting.insertOne({ _id: newId(), at, ...rest, traceId }, { session });
  }

  /** Counts what is thrown, if it is a refusal that the audit tells of. Never throws. */
  refused(
    error: unknown,
    what: { action: string; address?: string; actorId?: string | undefined; subjectId?: string | undefined },
  ): void {
    const known = toMongoError(error);
    if (!(known instanceof MusubiError) || !COUNTED.includes(known.grpcStatus) || NOT_COUNTED.includes(known.code)) return;
    this.refusals.count({ address: '', ...what, code: known.code });
  }

  /** What is due every second: counts are written, those whose minute is over become events, and what waits is chained. */
  async work(): Promise<void> {
    await this.refusals.flush();
    await this.refusals.settle();
    await this.chain.chain();
    await this.chain.look();
  }
}
