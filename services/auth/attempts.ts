import { Counter } from '@prometheus-io/client';
import type { Collection, Document } from 'mongodb';
import type { Rate, Secret } from '#platform/config.ts';
import { type MusubiError, resourceExhausted } from '#platform/errors.ts';
import { isDuplicateKey } from '#platform/mongo.ts';
import { metrics } from '#platform/telemetry.ts';
import { Pseudonyms } from './vault.ts';

const limitsMet = new Counter({
  name: 'musubi_auth_login_limits_total',
  help: 'Logins that were refused without a look at the password, by the limit that they met',
  labelNames: ['limit'],
  registers: [metrics],
});

/** How many wrong passwords are looked at. */
export interface AttemptRates {
  /** Of one source, or one device, for one login. */
  sourceAndLogin: Rate;
  /** Of one source, for logins that it has never opened. */
  source: Rate;
  /** For one login, of all sources that have never opened it. */
  login: Rate;
}

/** A login that is tried. */
export interface Attempt {
  /** The `loginKey`, whether anybody has it or not. */
  login: string;
  source: string;
  /** Whose device cookie came with it, and was good. */
  device?: string | undefined;
  /** The member has logged in from this source before. */
  known: boolean;
}

/**
 * A token bucket, stored as the time when it will be full. A full bucket equals an absent one, so MongoDB's TTL removes
 * it.
 */
export interface Bucket {
  /** A keyed hash of what it is for. */
  _id: string;
  fullAt: Date;
  /** For how long who asked last would have had to wait, ms; granted at 0 and below. */
  waitMs: number;
}

/** A guess that was granted. */
export interface Guess {
  /** The attempt as it counts: see {@link Attempts.check}. */
  attempt: Attempt;
  /** It was none: the password was right, or was never looked at. */
  giveBack(): Promise<void>;
}

interface Limit {
  name: 'device' | 'source-and-login' | 'source' | 'login';
  id: string;
  burst: number;
  intervalMs: number;
}

/** A limit that refuses, and for how long. */
interface Met {
  limit: Limit;
  waitMs: number;
}

/**
 * Bounds the guessing of passwords, in a way that no stranger can use to keep a member out (OWASP's device cookies):
 *
 * - who brings a device cookie is bounded by the guesses of that device only; once they are used up, the cookie counts
 *   for nothing: who has stolen it does not keep its owner out of where the member has been before;
 * - who comes from a source that the member has logged in from, by the guesses of that source for this login;
 * - who comes from elsewhere, also by the guesses of its source for any login, and by those for this login from
 *   everywhere that the member has never been.
 *
 * A guess is taken before the password is looked at, so that those tried side by side count, and given back when it
 * was right. The buckets are the store's, for all processes of Auth, and so is the time. They hold no login and no
 * address, only keyed hashes; and each is gone when it is full again.
 */
export class Attempts {
  readonly #buckets: Collection<Bucket>;
  readonly #rates: AttemptRates;
  readonly #names: Pseudonyms;

  constructor(buckets: Collection<Bucket>, rates: AttemptRates, masterKey: Secret) {
    this.#buckets = buckets;
    this.#rates = rates;
    this.#names = new Pseudonyms(masterKey, 'login attempts');
  }

  /**
   * Looks, and takes nothing: whoever is over a limit does not even wait for a hash, and writes nothing.
   *
   * @returns the attempt as it counts: without its device, if that has no guess left
   * @throws TOO_MANY_ATTEMPTS
   */
  async check(attempt: Attempt): Promise<Attempt> {
    const ways = this.#waysOf(attempt);
    const ids = ways.flatMap(({ limits }) => limits.map(({ id }) => id));
    const found = await this.#buckets
      .find({ _id: { $in: ids } }, { projection: { leftMs: { $subtract: ['$fullAt', '$$NOW'] } } })
      .toArray();
    const left = new Map((found as unknown as { _id: string; leftMs: number }[]).map(({ _id, leftMs }) => [_id, leftMs]));
    const waitMs = ({ id, burst, intervalMs }: Limit) => Math.max(0, left.get(id) ?? 0) - (burst - 1) * intervalMs;
    const refusals: Met[] = [];
    for (const way of ways) {
      const [longest] = way.limits.map((limit) => ({ limit, waitMs: waitMs(limit) })).sort((a, b) => b.waitMs - a.waitMs);
      if (!longest || longest.waitMs <= 0) return way.attempt;
      refusals.push(longest);
    }
    throw refusal(refusals);
  }

  /**
   * Takes a guess from every bucket that bounds the attempt, or from none.
   *
   * @throws TOO_MANY_ATTEMPTS
   */
  async take(attempt: Attempt): Promise<Guess> {
    const refusals: Met[] = [];
    for (const way of this.#waysOf(attempt)) {
      const { met, giveBack } = await this.#takeAll(way.limits);
      if (!met) return { attempt: way.attempt, giveBack };
      refusals.push(met);
    }
    throw refusal(refusals);
  }

  /**
   * A guess from each bucket, one after the other, and no further than the first that refuses. What was taken before
   * is given back, and for that moment others lack it. So the narrowest comes first: whom its own bucket refuses
   * touches none that others share, and whom its source's refuses none of the login.
   */
  async #takeAll(limits: readonly Limit[]): Promise<{ met?: Met; giveBack: () => Promise<void> }> {
    const taken: Limit[] = [];
    const giveBack = async (): Promise<void> => {
      await Promise.all(taken.map((limit) => this.#giveBack(limit)));
    };
    try {
      for (const limit of limits) {
        const waitMs = await this.#take(limit);
        if (waitMs > 0) {
          await giveBack();
          return { met: { limit, waitMs }, giveBack };
        }
        taken.push(limit);
      }
      return { giveBack };
    } catch (error) {
      await giveBack().catch(() => undefined);
      throw error;
    }
  }

  /** The ways in which an attempt may be granted, the first one first. */
  #waysOf(attempt: Attempt): { attempt: Attempt; limits: Limit[] }[] {
    const { sourceAndLogin, source: ofSource, login: ofLogin } = this.#rates;
    const { device, ...without } = attempt;
    const { login, source, known } = without;
    const own = this.#limit('source-and-login', sourceAndLogin, login, source);
    const limits = known ? [own] : [own, this.#limit('source', ofSource, source), this.#limit('login', ofLogin, login)];
    const ways = [{ attempt: without, limits }];
    return device === undefined ? ways : [{ attempt, limits: [this.#limit('device', sourceAndLogin, login, device)] }, ...ways];
  }

  #limit(name: Limit['name'], { burst, everySeconds }: Rate, ...of: string[]): Limit {
    return { name, id: this.#names.of(name, ...of), burst, intervalMs: everySeconds * 1_000 };
  }

  /**
   * One token, if there is one: looked at and taken in one step, by the store's time.
   *
   * @returns how long there is none, ms; it was taken at 0 and below
   */
  async #take({ id, burst, intervalMs }: Limit): Promise<number> {
    const update: Document[] = [
      // A bucket that is full, or not there, becomes full now.
      { $set: { fullAt: { $max: ['$fullAt', '$$NOW'] } } },
      { $set: { waitMs: { $subtract: [{ $subtract: ['$fullAt', '$$NOW'] }, (burst - 1) * intervalMs] } } },
      { $set: { fullAt: { $cond: [{ $lte: ['$waitMs', 0] }, { $add: ['$fullAt', intervalMs] }, '$fullAt'] } } },
    ];
    const apply = () => this.#buckets.findOneAndUpdate({ _id: id }, update, { upsert: true, returnDocument: 'after' });
    const bucket = await apply().catch((error: unknown) => {
      // Two who made it at once: now it is there.
      if (!isDuplicateKey(error)) throw error;
      return apply();
    });
    if (!bucket) throw new Error('the store has not said what is left of a bucket');
    return bucket.waitMs;
  }

  async #giveBack({ id, intervalMs }: Limit): Promise<void> {
    await this.#buckets.updateOne({ _id: id }, [{ $set: { fullAt: { $subtract: ['$fullAt', intervalMs] } } }]);
  }
}

/** By the limit that lets it in soonest. */
function refusal(met: readonly Met[]): MusubiError {
  const soonest = met.reduce((a, b) => (b.waitMs < a.waitMs ? b : a));
  limitsMet.inc({ limit: soonest.limit.name });
  return resourceExhausted('TOO_MANY_ATTEMPTS', 'too many failed logins; try again later', {
    retryAfterSeconds: Math.ceil(soonest.waitMs / 1_000),
  });
}
