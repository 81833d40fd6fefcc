import { createHmac, hash, randomBytes } from 'node:crypto';
import type { Secret } from '#platform/process/config.ts';
import { deriveKey } from './vault.ts';

/** Makes a leaked token recognisable to secret scanners. */
const PREFIX = 'musubi_rt1';
const FORM = new RegExp(`^${PREFIX}\\.([A-Za-z0-9_-]{1,400})\\.([0-9a-f-]{36})\\.[A-Za-z0-9_-]{43}$`);

/** What a refresh token leads to. */
export interface RefreshToken {
  memberId: string;
  sessionId: string;
  /** SHA-256, base64: what is stored of it. */
  hash: string;
}

/**
 * Refresh tokens: `musubi_rt1.<member>.<session>.<256 bits>`, opaque to clients. Member and session
 * are inside so that finding it is one read by ID.
 *
 * A token's successor is derived from it with a key only we have. So whoever sends the same token
 * twice at once gets the same successor, though no token is ever stored.
 */
export class RefreshTokens {
  readonly #key: Buffer;

  constructor(masterKey: Secret) {
    this.#key = deriveKey(masterKey, 'refresh tokens');
  }

  /** The first token of a session. */
  first(memberId: string, sessionId: string): string {
    return this.#format(memberId, sessionId, randomBytes(32));
  }

  successor(token: string): string {
    const parsed = this.parse(token);
    if (!parsed) throw new Error('not a refresh token');
    return this.#format(parsed.memberId, parsed.sessionId, createHmac('sha256', this.#key).update(token).digest());
  }

  /** Undefined if it has not the form of one. */
  parse(token: string): RefreshToken | undefined {
    const [, member, sessionId] = FORM.exec(token) ?? [];
    if (member === undefined || sessionId === undefined) return undefined;
    return { memberId: Buffer.from(member, 'base64url').toString('utf8'), sessionId, hash: hashToken(token) };
  }

  #format(memberId: string, sessionId: string, bits: Buffer): string {
    return [PREFIX, Buffer.from(memberId).toString('base64url'), sessionId, bits.toString('base64url')].join('.');
  }
}

/** SHA-256 in base64: enough for what has 256 bits of entropy already. */
export const hashToken = (token: string): string => hash('sha256', token, 'base64');
