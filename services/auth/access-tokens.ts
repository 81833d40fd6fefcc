import { randomUUID } from 'node:crypto';
import { type CryptoKey, errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { unauthenticated } from '#platform/errors.ts';
import { LONGEST_NAME } from '#platform/validation/fields.ts';
import type { Clock } from './clock.ts';
import { type KeyRing, SIGNING_ALGORITHM } from './signing-keys.ts';

/** Seconds that an access token is good for. */
export const ACCESS_TOKEN_SECONDS = 300;
/** RFC 9068: what an access token says it is, so that no other JWT of ours passes for one. */
const TYPE = 'at+jwt';
const AUDIENCE = 'musubi';
/** The OAuth client that first-party logins are made through. */
const CLIENT = 'musubi';

/** The longest that ours can be; what is longer is not even parsed. */
const MAX_LENGTH = 4_096;

/** Tokens whose signature is remembered: half a kilobyte each. */
const REMEMBERED = 5_000;

/**
 * The types of what a token says. A signature proves who wrote it and not what it is made of: an object in place of an
 * ID would be an operator in a query of the store.
 */
const CLAIMS = z.object({
  sub: z.string().min(1).max(LONGEST_NAME),
  sid: z.string().min(1).max(LONGEST_NAME),
  client_id: z.string(),
  iat: z.number(),
  exp: z.int(),
  jti: z.string(),
});

/** What a genuine token says. Whether its session is still there is for the store to tell. */
export interface AccessToken {
  memberId: string;
  sessionId: string;
  /** Seconds since 1970-01-01T00:00:00Z. */
  expiresAt: number;
  /** Seconds that are left: 1 to {@link ACCESS_TOKEN_SECONDS}. */
  expiresIn: number;
}

/** What never changes of a token that was found genuine. */
interface Genuine extends Pick<AccessToken, 'memberId' | 'sessionId' | 'expiresAt'> {
  /** By which key: as long as that is ours, the token is. */
  kid: string;
}

/** Issues and verifies access tokens: JWTs of the RFC 9068 profile, with the session in `sid`. */
export class AccessTokens {
  /** By the token, oldest first. */
  readonly #genuine = new Map<string, Genuine>();
  readonly #keys: KeyRing;
  readonly #issuer: string;
  readonly #clock: Clock;
  readonly #most: number;

  /** @param most the tokens whose signature is remembered */
  constructor(keys: KeyRing, issuer: string, clock: Clock, most = REMEMBERED) {
    this.#most = most;
    this.#keys = keys;
    this.#issuer = issuer;
    this.#clock = clock;
  }

  /** How many tokens are remembered. */
  get remembered(): number {
    return this.#genuine.size;
  }

  async issue({ memberId, sessionId }: { memberId: string; sessionId: string }): Promise<string> {
    const { kid, privateKey } = this.#keys.signingKey();
    const iat = Math.floor(this.#clock.now() / 1_000);
    return new SignJWT({ client_id: CLIENT, sid: sessionId })
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: TYPE, kid })
      .setIssuer(this.#issuer)
      .setAudience(AUDIENCE)
      .setSubject(memberId)
      .setIssuedAt(iat)
      .setExpirationTime(iat + ACCESS_TOKEN_SECONDS)
      .setJti(randomUUID())
      .sign(privateKey);
  }

  /** @throws TOKEN_EXPIRED for a genuine one that is too old, TOKEN_INVALID for all others that are not ours */
  async verify(token: string): Promise<AccessToken> {
    if (token.length > MAX_LENGTH) throw invalid();
    const known = this.#genuine.get(token);
    const { memberId, sessionId, expiresAt } = known && this.#keys.has(known.kid) ? known : await this.#read(token);
    const left = expiresAt - Math.floor(this.#clock.now() / 1_000);
    if (left <= 0) throw expired();
    // Two processes know the store's time to a part of a second only.
    return { memberId, sessionId, expiresAt, expiresIn: Math.min(ACCESS_TOKEN_SECONDS, left) };
  }

  /** A token is presented many times, and its signature costs more than the rest of what is done for a request here. */
  async #read(token: string): Promise<Genuine> {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, (header) => this.#key(header.kid), {
        algorithms: [SIGNING_ALGORITHM],
        typ: TYPE,
        issuer: this.#issuer,
        audience: AUDIENCE,
        currentDate: new Date(this.#clock.now()),
      });
      const claims = CLAIMS.safeParse(payload);
      if (!claims.success) throw invalid(claims.error);
      const { sub, sid, exp } = claims.data;
      const genuine = { memberId: sub, sessionId: sid, expiresAt: exp, kid: protectedHeader.kid ?? '' };
      const [oldest] = this.#genuine.size < this.#most ? [] : this.#genuine.keys();
      if (oldest !== undefined) this.#genuine.delete(oldest);
      this.#genuine.set(token, genuine);
      return genuine;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw expired();
      if (error instanceof errors.JOSEError) throw invalid(error);
      throw error;
    }
  }

  async #key(kid: string | undefined): Promise<CryptoKey> {
    const key = kid === undefined ? undefined : await this.#keys.verificationKey(kid);
    if (!key) throw new errors.JWKSNoMatchingKey();
    return key;
  }
}

const invalid = (cause?: unknown) => unauthenticated('TOKEN_INVALID', 'this is not an access token of ours', { cause });

const expired = () => unauthenticated('TOKEN_EXPIRED', 'the access token has expired');
