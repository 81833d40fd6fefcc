import { randomUUID } from 'node:crypto';
import { type CryptoKey, errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { unauthenticated } from '#platform/errors.ts';
import { LONGEST_NAME } from '#platform/fields.ts';
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

/** Issues and verifies access tokens: JWTs of the RFC 9068 profile, with the session in `sid`. */
export class AccessTokens {
  readonly #keys: KeyRing;
  readonly #issuer: string;
  readonly #clock: Clock;

  constructor(keys: KeyRing, issuer: string, clock: Clock) {
    this.#keys = keys;
    this.#issuer = issuer;
    this.#clock = clock;
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

  /** @throws TOKEN_EXPIRED for a genuine one that is too old, TOKEN_INVALID for anything else that is not ours */
  async verify(token: string): Promise<AccessToken> {
    if (token.length > MAX_LENGTH) throw invalid();
    const now = this.#clock.now();
    try {
      const { payload } = await jwtVerify(token, (header) => this.#key(header.kid), {
        algorithms: [SIGNING_ALGORITHM],
        typ: TYPE,
        issuer: this.#issuer,
        audience: AUDIENCE,
        currentDate: new Date(now),
      });
      const claims = CLAIMS.safeParse(payload);
      if (!claims.success) throw invalid(claims.error);
      const { sub, sid, exp } = claims.data;
      // Two processes know the store's time to a part of a second only.
      const expiresIn = Math.min(ACCESS_TOKEN_SECONDS, exp - Math.floor(now / 1_000));
      return { memberId: sub, sessionId: sid, expiresAt: exp, expiresIn };
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw unauthenticated('TOKEN_EXPIRED', 'the access token has expired');
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
