import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { type Collection, MongoServerError } from 'mongodb';
import type { Clock } from './clock.ts';
import type { Sealed } from './domain.ts';
import type { Vault } from './vault.ts';

export const SIGNING_ALGORITHM = 'ES256';

/** A key signs for this long, then its successor does. */
const ROTATE_AFTER_MS = 30 * 24 * 3_600_000;
/** A successor is published this long before it signs, so that every verifier has it by then. */
const PUBLISHED_AHEAD_MS = 3_600_000;
/** A replaced key verifies this long: far longer than a token lives, also where clocks differ. */
const KEPT_AFTER_MS = 3_600_000;
/** An unknown key ID makes a process look again, but not more often: forged tokens must cost nothing. */
const RELOAD_EVERY_MS = 5_000;

export interface SigningKeyDocument {
  /** 1, 2, 3, …: two processes that rotate at once make the same generation, and one of them wins. */
  _id: number;
  /** RFC 7638 thumbprint. */
  kid: string;
  publicJwk: JWK;
  /** The private JWK, encrypted. */
  sealed: Sealed;
  /** From when on it signs. */
  activeAt: Date;
  /** Set once there is a successor: when it verifies nothing any more, and goes. */
  expiresAt?: Date;
}

interface SigningKey {
  kid: string;
  publicJwk: JWK;
  publicKey: CryptoKey;
  privateKey: CryptoKey;
  activeAt: number;
}

/**
 * The keys that sign and verify access tokens, shared by all Auth processes through the store.
 * Call {@link KeyRing.maintain} at start and every minute or so.
 */
export class KeyRing {
  readonly #documents: Collection<SigningKeyDocument>;
  readonly #vault: Vault;
  readonly #clock: Clock;
  #keys = new Map<string, SigningKey>();
  #loadedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;

  constructor(documents: Collection<SigningKeyDocument>, vault: Vault, clock: Clock) {
    this.#documents = documents;
    this.#vault = vault;
    this.#clock = clock;
  }

  /** Makes the first key or a successor when it is time, marks replaced keys for removal, and loads what others made. */
  async maintain(): Promise<void> {
    const documents = await this.#documents.find({}, { sort: { _id: 1 } }).toArray();
    const newest = documents.at(-1);
    const now = this.#clock.now();
    if (!newest) await this.#create(1, now);
    else if (newest.activeAt.getTime() + ROTATE_AFTER_MS - PUBLISHED_AHEAD_MS <= now) {
      await this.#create(newest._id + 1, now + PUBLISHED_AHEAD_MS);
    }
    for (const [index, document] of documents.entries()) {
      const successor = documents[index + 1];
      if (!successor || document.expiresAt) continue;
      const expiresAt = new Date(successor.activeAt.getTime() + KEPT_AFTER_MS);
      await this.#documents.updateOne({ _id: document._id }, { $set: { expiresAt } });
    }
    await this.#load();
  }

  /** The key that signs now: the newest whose time has come. */
  signingKey(): { kid: string; privateKey: CryptoKey } {
    const now = this.#clock.now();
    let current: SigningKey | undefined;
    for (const key of this.#keys.values()) {
      if (key.activeAt <= now && (!current || key.activeAt > current.activeAt)) current = key;
    }
    if (!current) throw new Error('no signing key is active');
    return current;
  }

  /** The public key of that ID; undefined if there is none, after a look at the store. */
  async verificationKey(kid: string): Promise<CryptoKey | undefined> {
    // The store's time may also have been set back.
    if (!this.#keys.has(kid) && Math.abs(this.#clock.now() - this.#loadedAt) >= RELOAD_EVERY_MS) {
      this.#loading ??= this.#load().finally(() => {
        this.#loading = undefined;
      });
      await this.#loading;
    }
    return this.#keys.get(kid)?.publicKey;
  }

  /** Whether that key verifies now, as far as this process knows. */
  has(kid: string): boolean {
    return this.#keys.has(kid);
  }

  /** The JSON Web Key Set (RFC 7517) of all keys that verify now or soon. */
  jwks(): { keys: JWK[] } {
    return { keys: [...this.#keys.values()].map(({ publicJwk }) => publicJwk) };
  }

  async #create(generation: number, activeAt: number): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true });
    const jwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(jwk);
    const document: SigningKeyDocument = {
      _id: generation,
      kid,
      publicJwk: { ...jwk, kid, alg: SIGNING_ALGORITHM, use: 'sig' },
      sealed: this.#vault.seal(JSON.stringify(await exportJWK(privateKey)), kid),
      activeAt: new Date(activeAt),
    };
    try {
      await this.#documents.insertOne(document);
    } catch (error) {
      // Another process made this generation first: its key is as good.
      if (!(error instanceof MongoServerError && error.code === 11000)) throw error;
    }
  }

  async #load(): Promise<void> {
    const documents = await this.#documents.find({}, { sort: { _id: 1 } }).toArray();
    const keys = new Map<string, SigningKey>();
    const now = this.#clock.now();
    for (const document of documents) {
      // The store removes expired keys only once a minute.
      if (document.expiresAt && document.expiresAt.getTime() <= now) continue;
      keys.set(document.kid, this.#keys.get(document.kid) ?? (await this.#import(document)));
    }
    this.#keys = keys;
    this.#loadedAt = now;
  }

  async #import({ kid, publicJwk, sealed, activeAt }: SigningKeyDocument): Promise<SigningKey> {
    let privateJwk: JWK;
    try {
      privateJwk = JSON.parse(this.#vault.open(sealed, kid)) as JWK;
    } catch (error) {
      throw new Error('MUSUBI_AUTH_MASTER_KEY does not open the stored signing keys: it must stay the same', { cause: error });
    }
    const [publicKey, privateKey] = await Promise.all([importKey(publicJwk), importKey(privateJwk)]);
    return { kid, publicJwk, publicKey, privateKey, activeAt: activeAt.getTime() };
  }
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, SIGNING_ALGORITHM);
  if (key instanceof Uint8Array) throw new Error('a signing key must be asymmetric');
  return key;
}
