import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { address, httpUrl, integer, mongodbUrl, rate, Secret } from '#platform/process/config.ts';

/** A 256-bit key, in base64. */
const key = () =>
  z
    .string()
    .refine((value) => /^[A-Za-z0-9+/]{43}=$/.test(value), 'must be 32 bytes in base64: openssl rand -base64 32')
    .transform((value) => new Secret(value));

/** The environment of the Auth service. */
export const shape = {
  MUSUBI_GRPC_LISTEN: address(),
  MUSUBI_MONGODB_URL: mongodbUrl(),
  /** The issuer of our tokens: what clients know us by. */
  MUSUBI_PUBLIC_URL: httpUrl(),
  /**
   * Encrypts the signing keys at rest, derives refresh tokens from their predecessors, signs device cookies, and makes the
   * pseudonyms of addresses and logins. Every Auth process needs the same, and it must stay the same: with another one the
   * stored signing keys do not open, and Auth does not start.
   */
  MUSUBI_AUTH_MASTER_KEY: key(),
  /** Argon2id: memory in KiB, passes and lanes. Passwords are rehashed at their next login after a change. */
  MUSUBI_AUTH_ARGON2_MEMORY: integer(8_192, 1_048_576).default(19_456),
  MUSUBI_AUTH_ARGON2_PASSES: integer(1, 16).default(2),
  MUSUBI_AUTH_ARGON2_PARALLELISM: integer(1, 4).default(1),
  /**
   * Passwords hashed at once. One core is left to all other work, and so is one of the four
   * threads that Node runs its cryptography on: with all of them hashing, no token would be verified.
   */
  MUSUBI_AUTH_HASH_CONCURRENCY: integer(1, 64).default(Math.max(1, Math.min(availableParallelism() - 1, 3))),
  /** Passwords that may wait to be hashed, in each lane; the next is refused as TOO_BUSY. */
  MUSUBI_AUTH_HASH_QUEUE: integer(0, 10_000).default(64),
  /** Wrong passwords that are looked at before TOO_MANY_ATTEMPTS: of a source, or a device, for one login … */
  MUSUBI_AUTH_GUESSES_PER_SOURCE_AND_LOGIN: rate().default({ burst: 10, everySeconds: 30 }),
  /** … of a source, for logins that it has never opened … */
  MUSUBI_AUTH_GUESSES_PER_SOURCE: rate().default({ burst: 100, everySeconds: 1 }),
  /** … and for one login, of all sources that have never opened it. */
  MUSUBI_AUTH_GUESSES_PER_LOGIN: rate().default({ burst: 50, everySeconds: 10 }),
};

export type Config = z.output<z.ZodObject<typeof shape>>;
