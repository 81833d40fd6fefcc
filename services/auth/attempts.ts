import { Counter } from '@prometheus-io/client';
import type { Collection } from 'mongodb';
import { type MusubiError, resourceExhausted } from '#platform/errors.ts';
import type { Rate, Secret } from '#platform/process/config.ts';
import { metrics } from '#platform/process/telemetry.ts';
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
  /** For one login, of all sources that have never opened it; and as many first guesses. */
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
}

/** A guess that was granted. It counts as long as it is not ended. */
export interface Guess {
  /** The attempt as it counts: see {@link Attempts.check}. */
  attempt: Attempt;
  /**
   * Ends it, once.
   *
   * @param counts the password was wrong; otherwise it was right, or was never looked at
   */
  end(counts: boolean): Promise<void>;
}

interface Limit {
  name: 'device' | 'source-and-login' | 'source' | 'login' | 'first-guess';
  id: string;
  burst: number;
  intervalMs: number;
}

/** A way in which an attempt may be granted: what it counts as, and what bounds it. */
interface Way {
  attempt: Attempt;
  limits: Limit[];
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
 *   everywhere that the member has never been. Once these are used up, a source that has not guessed at this login yet has
 *   one guess more, out of as many that are kept for such sources: a few strangers do not keep out a member who comes to
 *   a new place, as many do as this login has guesses.
 *
 * A guess counts from before the password is looked at: in this process while that lasts, so those that are tried side by side
 * count, and in the store once the password was wrong. So a login that succeeds writes nothing here. Processes do not know of what
 * others are just looking at: each grants what the store has left. What is too much is paid back, as every wrong password
 * puts off the time at which the next guess is granted.
 *
 * The buckets are the store's, for all processes of Auth, and so is the time. They hold no login and no address, only keyed
 * hashes; and each is gone when it is full again.
 */
export class Attempts {
  readonly #buckets: Collection<Bucket>;
  readonly #rates: AttemptRates;
  readonly #names: Pseudonyms;
  /** How many guesses of each bucket are not ended in this process. */
  readonly #underWay = new Map<string, number>();
  /** What each bucket's next look or count waits for; it never rejects. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(buckets: Collection<Bucket>, rates: AttemptRates, masterKey: Secret) {
    this.#buckets = buckets;
    this.#rates = rates;
    this.#names = new Pseudonyms(masterKey, 'login attempts');
  }

  /**
   * Looks, and takes nothing: who is over a limit does not even wait for a hash.
   *
   * @returns the attempt as it counts: without its device, if that has no guess left
   * @throws TOO_MANY_ATTEMPTS
   */
  async check(attempt: Attempt): Promise<Attempt> {
    return (await this.#granted(this.#waysOf(attempt))).attempt;
  }

  /**
   * Takes a guess from every bucket that bounds the attempt, or from none.
   *
   * @throws TOO_MANY_ATTEMPTS
   */
  async take(attempt: Attempt): Promise<Guess> {
    const ways = this.#waysOf(attempt);
    return await this.#inTurn(
      ways.flatMap(({ limits }) => limits),
      async () => {
        const { attempt, limits } = await this.#granted(ways);
        for (const { id } of limits) this.#addUnderWay(id, 1);
        return { attempt, end: (counts) => this.#end(limits, counts) };
      },
    );
  }

  async #end(limits: readonly Limit[], counts: boolean): Promise<void> {
    const isOver = (): void => {
      for (const { id } of limits) this.#addUnderWay(id, -1);
    };
    if (counts) await this.#inTurn(limits, () => this.#count(limits).finally(isOver));
    else isOver();
  }

  /** The first of these ways that no limit refuses. */
  async #granted(ways: readonly Way[]): Promise<Way> {
    const leftMs = await this.#leftMs(ways.flatMap(({ limits }) => limits.map(({ id }) => id)));
    const waitMs = ({ id, burst, intervalMs }: Limit): number =>
      Math.max(0, leftMs.get(id) ?? 0) + ((this.#underWay.get(id) ?? 0) - (burst - 1)) * intervalMs;
    const refusals: Met[] = [];
    for (const way of ways) {
      const [longest] = way.limits.map((limit) => ({ limit, waitMs: waitMs(limit) })).sort((a, b) => b.waitMs - a.waitMs);
      if (!longest || longest.waitMs <= 0) return way;
      refusals.push(longest);
    }
    throw refusal(refusals);
  }

  /** One after the other for each bucket: a look sees each guess of this process once, as under way or as counted. */
  async #inTurn<T>(limits: readonly Limit[], work: () => Promise<T>): Promise<T> {
    const before = Promise.all(limits.map(async ({ id }) => this.#last.get(id)));
    const done = before.then(work);
    const over = done.then(nothing, nothing);
    for (const { id } of limits) this.#last.set(id, over);
    try {
      return await done;
    } finally {
      for (const { id } of limits) if (this.#last.get(id) === over) this.#last.delete(id);
    }
  }

  #addUnderWay(id: string, more: number): void {
    const count = (this.#underWay.get(id) ?? 0) + more;
    if (count > 0) this.#underWay.set(id, count);
    else this.#underWay.delete(id);
  }

  /** For how long buckets are not full yet, by the store's time. */
  async #leftMs(ids: readonly string[]): Promise<Map<string, number>> {
    const found = await this.#buckets
      .find({ _id: { $in: ids } }, { projection: { leftMs: { $subtract: ['$fullAt', '$$NOW'] } } })
      .toArray();
    return new Map((found as unknown as { _id: string; leftMs: number }[]).map(({ _id, leftMs }) => [_id, leftMs]));
  }

  /** The ways in which an attempt may be granted, the first one first. */
  #waysOf(attempt: Attempt): Way[] {
    const { sourceAndLogin, source: ofSource, login: ofLogin } = this.#rates;
    const { device, ...without } = attempt;
    const { login, source, known } = without;
    const own = this.#limit('source-and-login', sourceAndLogin, login, source);
    const elsewhere = (own: Limit, name: 'login' | 'first-guess'): Way => ({
      attempt: without,
      limits: [own, this.#limit('source', ofSource, source), this.#limit(name, ofLogin, login)],
    });
    const ways = known
      ? [{ attempt: without, limits: [own] }]
      : [elsewhere(own, 'login'), elsewhere({ ...own, burst: 1 }, 'first-guess')];
    return device === undefined ? ways : [{ attempt, limits: [this.#limit('device', sourceAndLogin, login, device)] }, ...ways];
  }

  #limit(name: Limit['name'], { burst, everySeconds }: Rate, ...of: string[]): Limit {
    return { name, id: this.#names.of(name, ...of), burst, intervalMs: everySeconds * 1_000 };
  }

  /** A wrong password, in each of these buckets. One that is full, or not there, was full until now. */
  async #count(limits: readonly Limit[]): Promise<void> {
    const updates = limits.map(({ id, intervalMs }) => ({
      updateOne: {
        filter: { _id: id },
        update: [{ $set: { fullAt: { $add: [{ $max: ['$fullAt', '$$NOW'] }, intervalMs] } } }],
        upsert: true,
      },
    }));
    await this.#buckets.bulkWrite(updates, { ordered: false });
  }
}

const nothing = (): void => undefined;

/** By the limit that lets it in soonest. */
function refusal(met: readonly Met[]): MusubiError {
  const soonest = met.reduce((a, b) => (b.waitMs < a.waitMs ? b : a));
  limitsMet.inc({ limit: soonest.limit.name });
  return resourceExhausted('TOO_MANY_ATTEMPTS', 'too many failed logins; try again later', {
    retryAfterSeconds: Math.ceil(soonest.waitMs / 1_000),
  });
}
