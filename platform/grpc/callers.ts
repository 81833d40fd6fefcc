import { createPrivateKey, type JsonWebKey, randomBytes } from 'node:crypto';
import { errors, type JWK, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { permissionDenied, unauthenticated } from '../errors.ts';

// How a program proves to a service who it is: by a JWT that it signs itself, as OAuth's clients do with a private key (RFC 7523).
// It is made out to one service, so no service can show it to another.

/** RFC 8725, section 3.11: what the token says it is, so that no other JWT passes for one. */
const TYPE = 'caller+jwt';
const ALGORITHM = 'EdDSA';
/** Seconds that a token is good for. So long, because hosts' clocks may differ by hours. */
const TOKEN_SECONDS = 86_400;
/** A token is replaced when it is so old. */
const RENEW_AFTER_MS = 3_600_000;
/** Ours have 350 characters; what is longer is not even parsed. */
const MAX_LENGTH = 1_024;
/** Tokens that are remembered as genuine. A caller has a new one each hour. */
const REMEMBERED = 1_000;

/** 32 bytes in base64url. */
const KEY = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const NAME = /^[a-z][a-z0-9-]*$/;
/** PKCS #8 before the 32 bytes of a private key of Ed25519. RFC 8410, section 7 */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A pair of keys, as JWK. @param privateKey base64url of 32 bytes */
function keyPair(privateKey: string): JsonWebKey & { x: string } {
  const der = Buffer.concat([PKCS8, Buffer.from(privateKey, 'base64url')]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }) as JsonWebKey & { x: string };
}

/** Who a program is to the services that it calls. */
export class Caller {
  readonly name: string;
  readonly #key: JWK & { x: string };
  /** By service. */
  readonly #tokens = new Map<string, { token: Promise<string>; at: number }>();

  /** @param privateKey base64url of 32 bytes (Ed25519) */
  constructor(name: string, privateKey: string) {
    this.name = name;
    this.#key = keyPair(privateKey) as JWK & { x: string };
  }

  /** What proves it to that service. */
  token(service: string): Promise<string> {
    const now = Date.now();
    const known = this.#tokens.get(service);
    if (known && now >= known.at && now < known.at + RENEW_AFTER_MS) return known.token;
    const token = this.#issue(service, Math.floor(now / 1_000));
    this.#tokens.set(service, { token, at: now });
    // Not gone for an hour because it failed once.
    token.catch(() => this.#tokens.delete(service));
    return token;
  }

  #issue(service: string, iat: number): Promise<string> {
    return new SignJWT()
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: this.#key.x })
      .setIssuer(this.name)
      .setSubject(this.name)
      .setAudience(service)
      .setIssuedAt(iat)
      .setExpirationTime(iat + TOKEN_SECONDS)
      .sign(this.#key);
  }
}

/** The names of callers by their public keys. */
export type CallerKeys = ReadonlyMap<string, string>;

/** A setting: the private key of the caller of that name. */
export const callerKey = (name: string) =>
  z.string().transform((text, context): Caller => {
    if (KEY.test(text)) return new Caller(name, text);
    context.addIssue('must be a private key as `node main.ts callers` prints it');
    return z.NEVER;
  });

/** A setting: the public keys of all callers, `gateway=KEY,sagas=KEY`. While a key is replaced, a caller has two. */
export const callerKeys = () =>
  z.string().transform((text, context): CallerKeys => {
    const keys = new Map<string, string>();
    for (const item of text.split(',').map((each) => each.trim())) {
      const [, name = '', key = ''] = /^([^=]*)=(.*)$/.exec(item) ?? [];
      if (!NAME.test(name) || !KEY.test(key))
        context.addIssue('must be like gateway=KEY,sagas=KEY, as `node main.ts callers` prints it');
      else if (keys.has(key) && keys.get(key) !== name) context.addIssue(`gives ${name} the key of ${keys.get(key)}`);
      keys.set(key, name);
    }
    return keys;
  });

/** The variable with a caller's private key: `MUSUBI_GATEWAY_CALLER_KEY`. */
export const keyVariable = <Name extends string>(name: Name): `MUSUBI_${Uppercase<Name>}_CALLER_KEY` =>
  `MUSUBI_${name.toUpperCase() as Uppercase<Name>}_CALLER_KEY`;

/** The environment variable that says who a program is to the services that it calls. */
export function callerShape<Name extends string>(
  name: Name,
): Record<ReturnType<typeof keyVariable<Name>>, ReturnType<typeof callerKey>> {
  return { [keyVariable(name)]: callerKey(name) } as Record<ReturnType<typeof keyVariable<Name>>, ReturnType<typeof callerKey>>;
}

/** New keys: the private one of each caller, and the public ones of all of them, by environment variable. */
export function newCallerKeys(names: readonly string[]): Record<string, string> {
  const keys = names.map((name) => [name, randomBytes(32).toString('base64url')] as const);
  return {
    MUSUBI_CALLERS: keys.map(([name, key]) => `${name}=${keyPair(key).x}`).join(),
    ...Object.fromEntries(keys.map(([name, key]) => [keyVariable(name), key])),
  };
}

/** The names of those who may call a method, by its path (`/musubi.auth.v1.AuthService/Authorize`). One that is not in it nobody may. */
export type MayCall = ReadonlyMap<string, ReadonlySet<string>>;

interface Genuine {
  name: string;
  /** Seconds since 1970-01-01T00:00:00Z. */
  expiresAt: number;
}

/**
 * The types of what a token says. A signature proves who wrote it and not what it is made of.
 */
const CLAIMS = z.object({ sub: z.string(), iss: z.string(), aud: z.string(), exp: z.int() });

/** Who may call a service, and which of its methods. */
export class Callers {
  /** The service that they call. */
  readonly service: string;
  readonly #keys: CallerKeys;
  readonly #mayCall: MayCall;
  /** By the token, oldest first. */
  readonly #genuine = new Map<string, Genuine>();
  readonly #most: number;

  /** @param most the tokens that are remembered as genuine */
  constructor(service: string, keys: CallerKeys, mayCall: MayCall, most = REMEMBERED) {
    this.service = service;
    this.#keys = keys;
    this.#mayCall = mayCall;
    this.#most = most;
  }

  /** How many tokens are remembered. */
  get remembered(): number {
    return this.#genuine.size;
  }

  /**
   * Finds out who calls, and whether he may.
   *
   * @returns his name
   * @throws CALLER_UNKNOWN unless the token proves that he is one of ours, CALLER_NOT_ALLOWED when he may not call the method
   */
  async admit(path: string, token: string | undefined): Promise<string> {
    const name = await this.identify(token);
    if (this.#mayCall.get(path)?.has(name)) return name;
    throw permissionDenied('CALLER_NOT_ALLOWED', `${name} may not call ${path.slice(1)}`);
  }

  /** @throws CALLER_UNKNOWN unless the token proves that its bearer is one of ours */
  async identify(token: string | undefined): Promise<string> {
    if (token === undefined) throw unknown('it has shown no token');
    const known = this.#genuine.get(token) ?? (await this.#read(token));
    if (known.expiresAt > Date.now() / 1_000) return known.name;
    this.#genuine.delete(token);
    throw unknown('its token has expired, or the clock of one of the two hosts is wrong');
  }

  async #read(token: string): Promise<Genuine> {
    if (token.length > MAX_LENGTH) throw unknown('its token is none');
    try {
      const { payload, protectedHeader } = await jwtVerify(token, ({ kid }) => this.#key(kid), {
        algorithms: [ALGORITHM],
        typ: TYPE,
        audience: this.service,
      });
      const { sub, iss, exp } = CLAIMS.parse(payload);
      const name = this.#keys.get(protectedHeader.kid ?? '');
      if (name === undefined || sub !== name || iss !== name) throw unknown('its token has the name of another');
      const [oldest] = this.#genuine.size < this.#most ? [] : this.#genuine.keys();
      if (oldest !== undefined) this.#genuine.delete(oldest);
      const genuine = { name, expiresAt: exp };
      this.#genuine.set(token, genuine);
      return genuine;
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        throw unknown('its token has expired, or the clock of one of the two hosts is wrong');
      if (error instanceof errors.JOSEError || error instanceof z.ZodError)
        throw unknown('its token is none of a key that is known here', error);
      throw error;
    }
  }

  #key(kid: unknown): JWK {
    if (typeof kid === 'string' && this.#keys.has(kid)) return { kty: 'OKP', crv: 'Ed25519', x: kid };
    throw new errors.JWKSNoMatchingKey();
  }
}

const unknown = (why: string, cause?: unknown) =>
  unauthenticated('CALLER_UNKNOWN', `the caller has not proved that it is a program of this deployment: ${why}`, { cause });
