import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { callerShape } from '#platform/grpc/callers.ts';
import { grpcShape } from '#platform/grpc/config.ts';
import { peerShape } from '#platform/grpc/peers.ts';
import { httpUrl, integer, mongodbUrl, rate, Secret } from '#platform/process/config.ts';
import { calledBy } from '../may-call.ts';

/** The contracts of the services that must know of sessions that end. */
export const CALLED = calledBy('auth');

/** A 256-bit key, in base64. */
const key = () =>
  z
    .string()
    .refine((value) => /^[A-Za-z0-9+/]{43}=$/.test(value), 'must be 32 bytes in base64: openssl rand -base64 32')
    .transform((value) => new Secret(value));

/** The environment of the Auth service. */
export const shape = {
  ...grpcShape,
  MUSUBI_MONGODB_URL: mongodbUrl(),
  ...peerShape(CALLED),
  ...callerShape('auth'),
  /** The issuer of our tokens: what clients know us by. */
  MUSUBI_PUBLIC_URL: httpUrl(),
  /**
   * Encrypts the signing keys and the addresses of sessions at rest, derives refresh tokens from their predecessors, signs
   * device cookies and the audit, seals the keys of members, and makes the pseudonyms of addresses and logins. Every Auth process needs the same, and it must stay the same: with another one the
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
  /** For how long a login that was given up goes to nobody else; longer than any saga takes to be undone. */
  MUSUBI_AUTH_LOGIN_HELD_DAYS: integer(1, 3_650).default(30),
  /** How many are held for one member; then it can only take one of them back. */
  MUSUBI_AUTH_LOGINS_HELD: integer(1, 1_000).default(3),
  /** How many minutes after its deletion a member is erased, at the soonest: until then its history can be looked at. All is gone within a day. */
  MUSUBI_AUTH_ERASED_AFTER_MINUTES: integer(0, 600).default(60),
  /** For how long the audit keeps what was done: a year, which audits ask for (PCI DSS, 10.5.1), and the month in which they are made. */
  MUSUBI_AUTH_AUDIT_DAYS: integer(1, 36_500).default(400),
  /** How often the login of one member is changed. */
  MUSUBI_AUTH_RENAMES: rate().default({ burst: 5, everySeconds: 3_600 }),
};

export type Config = z.output<z.ZodObject<typeof shape>>;
