import { randomInt } from 'node:crypto';
import { type ClientSession, type Collection, MongoBulkWriteError } from 'mongodb';
import { Loader } from '#platform/concurrency/loader.ts';
import { aborted } from '#platform/errors.ts';

/** One of the documents that pivots write, so that others can wait for them. */
export interface PivotLock {
  _id: number;
  /** How many pivots have written it, and how often somebody has waited for them. */
  passed: number;
  awaited: number;
}

/** With so many, two pivots at the same time seldom write the same one. Who waits writes all of them, in a few milliseconds. */
const LOCKS = 64;
/** Less than callers wait. The server ends the transaction of a process that stands still (`transactionLifetimeLimitSeconds`). */
const WAIT_MS = 4_000;

/**
 * Sees to it that no pivot is committed by a permission that was taken away after the pivot had looked, once that is acknowledged.
 *
 * Each pivot writes one of a few documents in its transaction, before it looks. Who takes something away writes all of them
 * afterwards, in no transaction, before it answers: MongoDB has that wait until the transactions that wrote one and are not over
 * have ended (https://www.mongodb.com/docs/manual/core/transactions-production-consideration/#in-progress-transactions-and-write-conflicts).
 * A pivot that begins later sees that the permission is gone.
 */
export class Pivots {
  readonly #locks: Collection<PivotLock>;

  /** One at a time: those that wait at the same time would hold up each other at every document. */
  readonly #waiting = new Loader<undefined, undefined>(
    async (all) => {
      await this.#wait();
      return all.map(() => undefined);
    },
    Number.POSITIVE_INFINITY,
    WAIT_MS,
  );

  constructor(locks: Collection<PivotLock>) {
    this.#locks = locks;
  }

  /** Begins a pivot: called in its transaction, before it looks. @throws STORE_CONFLICT, retryable */
  async begin(session: ClientSession): Promise<void> {
    const { matchedCount } = await this.#locks.updateOne({ _id: randomInt(LOCKS) }, { $inc: { passed: 1 } }, { session });
    if (matchedCount === 1) return;
    await this.make();
    throw aborted('STORE_CONFLICT', 'what pivots are held by was lost, and has been made again');
  }

  /** Waits until no pivot that looked before this call can pass any more. @throws UNAVAILABLE when one takes too long */
  async settled(): Promise<void> {
    await this.#waiting.load(undefined);
  }

  async #wait(): Promise<void> {
    const waited = () => this.#locks.updateMany({}, { $inc: { awaited: 1 } }, { maxTimeMS: WAIT_MS, writeConcern: { w: 1 } });
    if ((await waited()).matchedCount === LOCKS) return;
    await this.make();
    await waited();
  }

  /** Makes the documents that are missing. */
  async make(): Promise<void> {
    const missing = Array.from({ length: LOCKS }, (_, id) => ({
      updateOne: { filter: { _id: id }, update: { $setOnInsert: { passed: 0, awaited: 0 } }, upsert: true },
    }));
    await this.#locks.bulkWrite(missing, { ordered: false }).catch((error: unknown) => {
      // Another process made them at the same time.
      if (!(error instanceof MongoBulkWriteError && [error.writeErrors].flat().every((each) => each.code === 11_000)))
        throw error;
    });
  }
}
