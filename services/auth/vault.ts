import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Secret } from '#platform/process/config.ts';
import type { Sealed } from './domain.ts';

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
    return seal(this.#key, text, name);
  }

  /** @throws when the master key is another, or the text or its name were changed */
  open(sealed: Sealed, name: string): string {
    return open(this.#key, sealed, name);
  }
}

/** Seals a text with AES-256-GCM. @param name what the text belongs to: it only opens under the same name */
export function seal(key: Buffer, text: string, name: string): Sealed {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(name));
  const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return { iv: iv.toString('base64'), tag: cipher.getAuthTag().toString('base64'), data: data.toString('base64') };
}

/** @throws when the key is another, or the text or its name were changed */
export function open(key: Buffer, { iv, tag, data }: Sealed, name: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'), { authTagLength: 16 })
    .setAAD(Buffer.from(name))
    .setAuthTag(Buffer.from(tag, 'base64'));
  return Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]).toString('utf8');
}

/** A sealed text in one word: base64, with dots. */
export const toWord = ({ iv, tag, data }: Sealed): string => `${iv}.${tag}.${data}`;

/** What {@link toWord} made a word of. Another text is a sealed text that does not open. */
export function fromWord(word: string): Sealed {
  const [iv = '', tag = '', data = ''] = word.split('.');
  return { iv, tag, data };
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
    return this.#bits(parts).toString('base64url');
  }

  /** As a UUID of version 8 (RFC 9562), which has 122 of the bits. */
  uuidOf(...parts: string[]): string {
    const bits = this.#bits(parts);
    bits[6] = ((bits[6] ?? 0) & 0x0f) | 0x80;
    bits[8] = ((bits[8] ?? 0) & 0x3f) | 0x80;
    return bits.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  #bits(parts: string[]): Buffer {
    return createHmac('sha256', this.#key).update(JSON.stringify(parts)).digest().subarray(0, 16);
  }
}

/** A 256-bit key for one purpose, from the master key. */
export function deriveKey(masterKey: Secret, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(masterKey.reveal(), 'base64'), '', `musubi auth ${purpose}`, 32));
}
