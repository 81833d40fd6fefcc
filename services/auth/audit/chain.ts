import type { ClientSession, Collection } from 'mongodb';
import { Loader } from '#platform/concurrency/loader.ts';
import { MusubiError } from '#platform/errors.ts';
import type { Mongo } from '#platform/mongo/database.ts';
import { transaction } from '#platform/operations/mongo.ts';
import type { Secret } from '#platform/process/config.ts';
import type { AuditChainPart } from '#proto/musubi/auth/v1/auth.ts';
import type { Clock } from '../clock.ts';
import { type ChainedEvent, contentOf, GENESIS, hashOf, type WaitingEvent } from './event.ts';
import { Signer } from './signer.ts';

/** The one document that says where the chain begins. */
export interface CutDocument {
  _id: 'cut';
  /** The newest event that was cut off. */
  sequence: number;
  hash: string;
  signature: string;
  at: Date;
}

/** What the audit keeps. */
export interface AuditCollections {
  /** What was written with what it tells of, and has no place yet. */
  waiting: Collection<WaitingEvent>;
  events: Collection<ChainedEvent>;
  cuts: Collection<CutDocument>;
}

/** A place in the chain. */
export interface Head {
  sequence: number;
  hash: string;
}

const BEGIN: Head = { sequence: 0, hash: GENESIS };
/** Events that are chained in one transaction, at most. */
export const BATCH = 500;
/** So often other processes may chain instead; each time this one has tried for two seconds. */
const MOST_CONFLICTS = 5;
/** How many one chaining answers, and after how long (ms) another begins beside one that is under way: longer than callers wait. */
const [ASKED_AT_MOST, PATIENCE_MS] = [10_000, 10_000];
/** Events that are cut off in one write. */
const CUT_AT_ONCE = 5_000;

/**
 * The events in one order, each tied to all before it by a hash, the last of each batch signed.
 *
 * Who writes an event waits for nobody: it is chained soon after. Any process may chain at any time: the place of an event is its key, so of two
 * that chain at once one collides with the other, and begins again behind it. There is no head that could be lost or set
 * back apart from the events: it is the newest one.
 */
export class Chain {
  readonly #mongo: Mongo;
  readonly #collections: AuditCollections;
  readonly #clock: Clock;
  readonly #signer: Signer;
  readonly #chaining = new Loader<null, void>(
    async (asked) => {
      await this.#chainAll();
      return asked.map(() => undefined);
    },
    ASKED_AT_MOST,
    PATIENCE_MS,
  );
  /** The newest head that this process has seen. */
  #seen: Head = BEGIN;
  #isBroken = false;

  constructor(mongo: Mongo, collections: AuditCollections, clock: Clock, masterKey: Secret) {
    this.#mongo = mongo;
    this.#collections = collections;
    this.#clock = clock;
    this.#signer = new Signer(masterKey);
  }

  /** Chains all that waits. Those who ask for it at the same time in one process do not stand in each other's way. */
  async chain(): Promise<void> {
    await this.#chaining.load(null);
  }

  async #chainAll(): Promise<void> {
    const { waiting } = this.#collections;
    let conflicts = 0;
    while (await waiting.findOne({}, { projection: { _id: 1 } })) {
      try {
        await transaction(this.#mongo, (session) => this.#chainSome(session));
      } catch (error) {
        // Other processes get forward instead: what waited may be theirs by now.
        if (!(error instanceof MusubiError && error.code === 'STORE_CONFLICT') || ++conflicts === MOST_CONFLICTS) throw error;
      }
    }
  }

  /**
   * Looks whether what this process has seen of the chain is still there: nothing of ours takes an event away but a cut.
   * {@link requireWhole} tells.
   */
  async look(): Promise<void> {
    const { sequence, hash } = this.#seen;
    const { events, cuts } = this.#collections;
    const head = await this.#head();
    const there = sequence === 0 || head.sequence === sequence ? head : await events.findOne({ _id: sequence });
    const isCut = !there && ((await cuts.findOne({ _id: 'cut' }))?.sequence ?? 0) >= sequence;
    this.#isBroken = sequence > 0 && !isCut && there?.hash !== hash;
    if (!this.#isBroken) this.#seen = head;
  }

  /** For probes. */
  requireWhole(): void {
    const { sequence, hash } = this.#seen;
    if (!this.#isBroken) return;
    const remedy =
      'node main.ts audit looks at all of it; where a copy was restored, restart auth, which then begins with what is there';
    throw new Error(`${sequence}:${hash} is gone or was changed: ${remedy}`);
  }

  async #chainSome(session: ClientSession): Promise<void> {
    const { waiting, events } = this.#collections;
    const some = await waiting.find({}, { session, sort: { _id: 1 }, limit: BATCH }).toArray();
    const before = await this.#head(session);
    if (some.length === 0) return;
    const chainedAt = new Date(this.#clock.now());
    const first = before.sequence + 1;
    let { hash } = before;
    const chained = some.map(({ _id: eventId, ...event }, index): ChainedEvent => {
      const placed = { ...event, _id: first + index, first, chainedAt, eventId };
      hash = hashOf(hash, contentOf(placed));
      return { ...placed, hash };
    });
    const last = chained.at(-1) as ChainedEvent;
    last.signature = this.#signer.sign('head', last._id, last.hash);
    await events.insertMany(chained, { session });
    await waiting.deleteMany({ _id: { $in: some.map(({ _id }) => _id) } }, { session });
  }

  /** The newest event; where there is none, the one that was cut off last. */
  async #head(session?: ClientSession): Promise<Head> {
    const { events, cuts } = this.#collections;
    const newest = await events.findOne({}, { session, sort: { _id: -1 }, projection: { hash: 1 } });
    if (newest) return { sequence: newest._id, hash: newest.hash };
    return (await cuts.findOne({ _id: 'cut' }, { session })) ?? BEGIN;
  }

  /**
   * Cuts off events of before a time, up to the last one that is signed: what is left still verifies, from a place that
   * Auth signs as its beginning. The newest event always stays. The store's clock may have been wrong for a while: one that says it is older
   * than those before it takes none of them along, and one of the future keeps none.
   */
  async cut(before: Date): Promise<void> {
    const { events, cuts } = this.#collections;
    const newest = await events.findOne({}, { sort: { _id: -1 }, projection: { _id: 1 } });
    const isKept = { at: { $gte: before, $lte: new Date(this.#clock.now()) } };
    // From the oldest on: it reads no more than what is to go.
    const kept = await events.findOne(isKept, { sort: { _id: 1 }, hint: { _id: 1 }, projection: { _id: 1 } });
    const isOlder = { _id: { $lt: Math.min(kept?._id ?? Number.POSITIVE_INFINITY, newest?._id ?? 0) } };
    const last = await events.findOne({ signature: { $exists: true }, ...isOlder }, { sort: { _id: -1 } });
    if (!last) return;
    const { _id: sequence, hash } = last;
    const signature = this.#signer.sign('cut', sequence, hash);
    // First where it begins, so that a cut that ends half-way leaves no gap. Another process may have cut off more.
    const here = { _id: 'cut', sequence, hash, signature, at: '$$NOW' };
    const isFurther = { $gt: ['$sequence', sequence] };
    await cuts.updateOne({ _id: 'cut' }, [{ $replaceWith: { $cond: [isFurther, '$$ROOT', here] } }], { upsert: true });
    for (;;) {
      const oldest = await events.findOne({}, { sort: { _id: 1 }, projection: { _id: 1 } });
      if (!oldest || oldest._id > sequence) return;
      await events.deleteMany({ _id: { $lte: Math.min(sequence, oldest._id + CUT_AT_ONCE) } });
    }
  }

  /**
   * Everything that a check needs, in the order of the chain, as it is kept; and before it what this process has seen, if that is gone. What
   * waits is chained first.
   */
  async *tell(): AsyncGenerator<AuditChainPart> {
    await this.chain();
    const { events, cuts } = this.#collections;
    const part = (value: AuditChainPart['part']): AuditChainPart => ({ part: value });
    yield part({ $case: 'publicKey', value: this.#signer.publicKey });
    await this.look();
    if (this.#isBroken) yield part({ $case: 'lost', value: this.#seen });
    const cut = await cuts.findOne({ _id: 'cut' });
    if (cut) yield part({ $case: 'cut', value: cut });
    for await (const event of events.find({ _id: { $gt: cut?.sequence ?? 0 } }, { sort: { _id: 1 } })) {
      const { _id: sequence, hash, signature } = event;
      yield part({ $case: 'event', value: { sequence, hash, signature, content: contentOf(event) } });
    }
  }
}
