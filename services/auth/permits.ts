import { invalidFields } from '#platform/errors.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Resource } from '#proto/musubi/auth/v1/auth.ts';
import type { SealedOrigin } from './audit/event.ts';
import type { SessionOf } from './session-facts.ts';
import { fromWord, toWord, Vault } from './vault.ts';

/** What a member was allowed to begin: its session, what it does, and to what. */
export interface Permit extends SessionOf {
  action: string;
  resource: Resource;
  /** From where it asked; undefined: not known. */
  from?: SealedOrigin | undefined;
  /** The trace of the request, 32 hex digits. */
  traceId?: string | undefined;
  /** How often the member had been bound to a position, or for longer or less long than before; undefined: not known. */
  tenures?: number | undefined;
}

/** What a permit says, in this order. One of an earlier release lacks some of the last three. */
type Said = [memberId: string, sessionId: string, action: string, type: string, id: string, ownerId: string, ...string[]];

/** What a permit is sealed under. */
const NAME = 'permit';

/**
 * Permits, as sagas carry them from the gateway to their pivot, where Auth looks whether they still hold. They are sealed:
 * nobody but Auth can make or read one, so no saga does in a member's name what Auth did not allow it to begin, and a
 * workflow's history says nothing personal by it.
 */
export class Permits {
  readonly #vault: Vault;

  constructor(masterKey: Secret) {
    this.#vault = new Vault(masterKey, 'permits');
  }

  /** In base64, with dots. */
  seal({ memberId, sessionId, action, resource: { type, id, ownerId }, from, traceId, tenures }: Permit): string {
    const said: Said = [memberId, sessionId, action, type, id, ownerId, traceId ?? '', from?.origin ?? '', String(tenures ?? '')];
    return toWord(this.#vault.seal(JSON.stringify(said), NAME));
  }

  /** @throws INVALID_ARGUMENT for a text that is no permit of this deployment */
  open(sealed: string): Permit {
    try {
      const said = JSON.parse(this.#vault.open(fromWord(sealed), NAME)) as Said;
      const [memberId, sessionId, action, type, id, ownerId, traceId, origin, tenures] = said;
      if (memberId && sessionId && action && type !== undefined && id !== undefined && ownerId !== undefined)
        return {
          memberId,
          sessionId,
          action,
          resource: { type, id, ownerId },
          ...(origin ? { from: { sealedFor: memberId, origin } } : {}),
          ...(traceId ? { traceId } : {}),
          ...(tenures ? { tenures: Number(tenures) } : {}),
        };
    } catch {
      // It is refused below, like one that lacks something.
    }
    throw invalidFields([{ field: 'permit', message: 'must be a permit that Authorize gave' }]);
  }
}
