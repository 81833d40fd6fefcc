import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Secret } from '#platform/process/config.ts';
import { deriveKey } from '../vault.ts';

/** What comes before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * What is signed of a place in the chain. `head`: that the chain has this hash there. `cut`: besides, that older events, up to this one,
 * were cut off by Auth.
 */
export type Signed = 'head' | 'cut';

const bytes = (kind: Signed, sequence: number, hash: string): Buffer => Buffer.from(`musubi audit ${kind}\n${sequence}\n${hash}`);

/**
 * Signs the audit chain (Ed25519) with a key that follows from the master key. So it is never changed, and a head of years ago is verified
 * by the same key; nobody who can only write to the store has it, nor can put another in its place.
 */
export class Signer {
  readonly #key: KeyObject;
  /** SPKI in base64. */
  readonly publicKey: string;

  constructor(masterKey: Secret) {
    const der = Buffer.concat([PKCS8, deriveKey(masterKey, 'audit chain')]);
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    this.publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).toString('base64');
  }

  /** In base64url. */
  sign(kind: Signed, sequence: number, hash: string): string {
    return sign(null, bytes(kind, sequence, hash), this.#key).toString('base64url');
  }
}

/** Verifies what a {@link Signer} has signed. @throws when it is given no public key */
export class Verifier {
  readonly #key: KeyObject;

  constructor(publicKey: string) {
    this.#key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
  }

  verifies(kind: Signed, sequence: number, hash: string, signature: string): boolean {
    return verify(null, bytes(kind, sequence, hash), this.#key, Buffer.from(signature, 'base64url'));
  }
}
