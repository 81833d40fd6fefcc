import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Histogram } from '@prometheus-io/client';
import { metrics } from '#platform/process/telemetry.ts';
import { normalizePassword, type PasswordHash } from './domain.ts';
import type { HashQueue, Turn } from './hash-queue.ts';

const derive = promisify(argon2);

const seconds = new Histogram({
  name: 'musubi_auth_argon2_seconds',
  help: 'Time to hash one password, without its wait in the queue',
  buckets: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2],
  registers: [metrics],
});

/** For whom a hash is made, and until when. */
export interface HashOptions {
  turn: Turn;
  /** A caller that gives up while its hash waits costs nothing. */
  signal?: AbortSignal | undefined;
  /** What is done once the turn has come, just before the hash. It may refuse. */
  before?: () => Promise<void>;
}

/** How expensive a hash is. */
export interface Argon2Cost {
  /** KiB. */
  memory: number;
  passes: number;
  /** Lanes. */
  parallelism: number;
}

/**
 * Hashes and verifies passwords with argon2id (RFC 9106), off the main thread, a bounded number at once.
 * Every hash waits for its turn, and may fail with TOO_BUSY or CALLER_GONE.
 */
export class Passwords {
  readonly #cost: Argon2Cost;
  readonly #queue: HashQueue;
  readonly #nobody: PasswordHash;

  constructor(cost: Argon2Cost, queue: HashQueue) {
    this.#cost = cost;
    this.#queue = queue;
    // No password has this hash: 32 random bytes are nobody's argon2id output.
    this.#nobody = {
      algorithm: 'argon2id',
      ...cost,
      salt: randomBytes(16).toString('base64'),
      hash: randomBytes(32).toString('base64'),
    };
  }

  async hash(password: string, options: HashOptions): Promise<PasswordHash> {
    const salt = randomBytes(16);
    const hash = await this.#derive(password, salt, this.#cost, options);
    return { algorithm: 'argon2id', ...this.#cost, salt: salt.toString('base64'), hash: hash.toString('base64') };
  }

  /**
   * Whether it is the password of `stored`.
   *
   * @param stored undefined for an unknown login: refused, after the same work
   */
  async verify(password: string, stored: PasswordHash | undefined, options: HashOptions): Promise<boolean> {
    const { salt, hash, ...cost } = stored ?? this.#nobody;
    const derived = await this.#derive(password, Buffer.from(salt, 'base64'), cost, options);
    return timingSafeEqual(derived, Buffer.from(hash, 'base64'));
  }

  /** Whether a hash was made at another cost than today's. */
  outdated({ memory, passes, parallelism }: PasswordHash): boolean {
    return memory !== this.#cost.memory || passes !== this.#cost.passes || parallelism !== this.#cost.parallelism;
  }

  #derive(
    password: string,
    nonce: Buffer,
    { memory, passes, parallelism }: Argon2Cost,
    { turn, signal, before }: HashOptions,
  ): Promise<Buffer> {
    const message = normalizePassword(password);
    const work = async () => {
      await before?.();
      const end = seconds.startTimer();
      const derived = await derive('argon2id', { message, nonce, parallelism, tagLength: 32, memory, passes });
      end();
      return derived;
    };
    return this.#queue.run(turn, work, signal);
  }
}
