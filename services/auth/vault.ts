import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Secret } from '#platform/process/config.ts';

/** What is needed to open a sealed text again, save the key. All in base64. */
export interface Sealed {
  iv: string;
  tag: string;
  data: string;
}

/**
 * Seals small texts with AES-256-GCM. The key is derived from the master key (HKDF-SHA-256), one per purpose,
 * so that nothing sealed for one purpose opens for another.
 */
export class Vault {
  readonly #key: Buffer;

  /** @param purpose names what is sealed, for ever */
  constructor(masterKey: Secret, purpose: string) {
    this.#key = deriveKey(masterKey, purpose);
  }

  /** @param name what the text belongs to: it only opens under the same name */
  seal(text: string, name: string): Sealed {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(name));
    const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return { iv: iv.toString('base64'), tag: cipher.getAuthTag().toString('base64'), data: data.toString('base64') };
  }

  /** @throws when the master key is another, or the text or its name were changed */
  open({ iv, tag, data }: Sealed, name: string): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, Buffer.from(iv, 'base64'), { authTagLength: 16 })
      .setAAD(Buffer.from(name))
      .setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]).toString('utf8');
  }
}

/**
 * Names for what must not be readable where they are kept (logins, addresses): the same text gives the same name, and
 * without the master key nobody can try which text it was.
 */
export class Pseudonyms {
  readonly #key: Buffer;

  /** @param purpose names what is named, for ever: names of one purpose can't be compared with those of another */
  constructor(masterKey: Secret, purpose: string) {
    this.#key = deriveKey(masterKey, purpose);
  }

  /** 128 bits in base64url. */
  of(...parts: string[]): string {
    return createHmac('sha256', this.#key).update(JSON.stringify(parts)).digest().subarray(0, 16).toString('base64url');
  }
}

/** A 256-bit key for one purpose, from the master key. */
export function deriveKey(masterKey: Secret, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(masterKey.reveal(), 'base64'), '', `musubi auth ${purpose}`, 32));
}
