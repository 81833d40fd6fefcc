import type { AuditChainPart, ChainedAuditEvent } from '#proto/musubi/auth/v1/auth.ts';
import type { Head } from './chain.ts';
import { GENESIS, hashOf } from './event.ts';
import { type Signed, Verifier } from './signer.ts';

/** What a check has found. */
export interface Checked {
  /** How many events there are. */
  events: number;
  /** The newest of them; of none: 0 and an empty hash. */
  head: Head;
  /** Where it is broken, and how; absent: it is whole. */
  broken?: string;
}

/** What makes a chain no chain. */
class Broken extends Error {}

/**
 * Follows the chain from its beginning to its end, in memory that does not grow with it: every hash is computed again, every signature
 * verified.
 *
 * That its end was cut off shows only by a head that was noted before, or that the process which tells of it has seen: whoever can write to
 * the store can also take what is in it.
 *
 * @param noted a head of an earlier check
 */
export async function check(parts: AsyncIterable<AuditChainPart>, noted?: Head): Promise<Checked> {
  const chain = new Follower(noted);
  try {
    for await (const { part } of parts) {
      if (part?.$case === 'publicKey') chain.verifyBy(part.value);
      else if (part?.$case === 'lost') chain.lacks(part.value);
      else if (part?.$case === 'cut') chain.beginAt(part.value);
      else if (part) chain.follow(part.value);
    }
    chain.end();
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return { ...chain.checked(), broken: error.message };
  }
  return chain.checked();
}

class Follower {
  readonly #noted: Head | undefined;
  #verifier: Verifier | undefined;
  #head: Head = { sequence: 0, hash: GENESIS };
  #events = 0;
  /** Whether what was followed ends where somebody signed. */
  #isSigned = true;
  #hasMetNoted: boolean;
  #lost: Head | undefined;

  constructor(noted: Head | undefined) {
    this.#noted = noted;
    this.#hasMetNoted = noted === undefined || noted.sequence === 0;
  }

  verifyBy(publicKey: string): void {
    this.#verifier = new Verifier(publicKey);
  }

  lacks(lost: Head): void {
    this.#lost = lost;
  }

  beginAt({ sequence, hash, signature }: Head & { signature: string }): void {
    this.#requireSigned('cut', { sequence, hash }, signature);
    const noted = this.#noted;
    if (noted && noted.sequence < sequence)
      throw new Broken(`what is kept begins behind ${sequence}, so ${noted.sequence} can not be compared`);
    this.#at({ sequence, hash });
  }

  follow({ sequence, content, hash, signature }: ChainedAuditEvent): void {
    const before = this.#head;
    if (sequence !== before.sequence + 1) throw new Broken(`${before.sequence + 1} is missing`);
    if (hash !== hashOf(before.hash, content)) throw new Broken(`${sequence} is not what was chained`);
    const [, place, first] = JSON.parse(content) as unknown[];
    if (place !== sequence) throw new Broken(`${sequence} says that it is another one`);
    // It begins a batch, so it follows a signed one: what Auth signs behind forged events shows that they are.
    if (first === sequence && !this.#isSigned) throw new Broken(`${before.sequence} is not signed`);
    this.#isSigned = signature !== undefined;
    if (signature !== undefined) this.#requireSigned('head', { sequence, hash }, signature);
    this.#events++;
    this.#at({ sequence, hash });
  }

  end(): void {
    if (!this.#isSigned) throw new Broken(`${this.#head.sequence}, the newest, is not signed`);
    if (!this.#hasMetNoted) throw new Broken(`it ends at ${this.#head.sequence}, and had ${this.#noted?.sequence}`);
    if (this.#lost) throw new Broken(`Auth has seen ${this.#lost.sequence}:${this.#lost.hash}, which is gone or was changed`);
  }

  checked(): Checked {
    return { events: this.#events, head: this.#head };
  }

  #at(head: Head): void {
    this.#head = head;
    if (head.sequence !== this.#noted?.sequence) return;
    if (head.hash !== this.#noted.hash) throw new Broken(`${head.sequence} is another one than was noted`);
    this.#hasMetNoted = true;
  }

  #requireSigned(kind: Signed, { sequence, hash }: Head, signature: string): void {
    if (!this.#verifier?.verifies(kind, sequence, hash, signature)) throw new Broken(`${sequence} is not signed by Auth`);
  }
}
