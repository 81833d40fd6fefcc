import { setTimeout as sleep } from 'node:timers/promises';
import { type ChangeStream, MongoClient } from 'mongodb';

/** The pivot of a command that changes a member without its login. */
const PIVOT = '/auth.confirmPermit';

/** When jobs passed their pivots, as MongoDB notes it of the transaction in which Auth looked at the permission last. */
export class Pivots {
  readonly #passedAt = new Map<string, number>();
  readonly #mongo: MongoClient;
  readonly #changes: ChangeStream;
  readonly #reading: Promise<void>;

  private constructor(mongo: MongoClient, changes: ChangeStream) {
    this.#mongo = mongo;
    this.#changes = changes;
    this.#reading = this.#read();
  }

  static async watch(url: string): Promise<Pivots> {
    const mongo = await new MongoClient(url).connect();
    const changes = mongo
      .db('musubi_auth')
      .collection('operations')
      // An undo of what never happened leaves a record, too.
      .watch([
        { $match: { operationType: 'insert', 'fullDocument.state': 'done' } },
        { $project: { documentKey: 1, wallTime: 1, operationType: 1 } },
      ]);
    // It begins with the first read.
    await changes.tryNext();
    return new Pivots(mongo, changes);
  }

  /**
   * When a job that has ended passed its pivot, ms since 1970-01-01T00:00:00Z by the host's clock; undefined: it did not.
   *
   * @throws when it was completed, and nothing was seen of that
   */
  async of(jobId: string, isCompleted: boolean): Promise<number | undefined> {
    for (let i = 0; isCompleted && !this.#passedAt.has(jobId); i++) {
      if (i === 100) throw new Error(`job ${jobId} is completed, and its pivot was not seen`);
      await sleep(100);
    }
    return this.#passedAt.get(jobId);
  }

  async stop(): Promise<void> {
    await this.#changes.close();
    await this.#reading;
    await this.#mongo.close();
  }

  async #read(): Promise<void> {
    try {
      for await (const change of this.#changes) {
        if (change.operationType !== 'insert') continue;
        const id = String(change.documentKey._id);
        if (id.endsWith(PIVOT) && change.wallTime) this.#passedAt.set(id.slice(0, -PIVOT.length), change.wallTime.getTime());
      }
    } catch (error) {
      if (!this.#changes.closed) throw error;
    }
  }
}
