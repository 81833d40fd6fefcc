import type { ClientSession, Collection } from 'mongodb';
import type { Requested } from '#platform/erasure.ts';
import type { OutboxEvent } from '#platform/operations/mongo.ts';
import type { Which } from '#platform/state.ts';
import { ERASERS, type EventOf } from '../catalogue.ts';
import type { Clock } from './clock.ts';
import { findPage } from './page.ts';
import type { Pseudonyms } from './vault.ts';

/** What was erased of a deleted member, and what waits. It is kept for ever, and nothing in it is personal. */
export interface ErasureRecord {
  /** The member ID. */
  _id: string;
  /** When its login was removed, which ended the deletion. */
  requestedAt: Date;
  /** When all was erased; absent: it is not yet. */
  erasedAt?: Date;
  /** When something that a restored backup had brought back was erased last. */
  erasedAgainAt?: Date;
  /** Numbers of entries, by service and place. */
  erased: Record<string, Record<string, number>>;
  /** Where something is left, or was not looked for. */
  waitingFor: string[];
}

/** What a look at one member has come to. */
export interface ErasureNote {
  memberId: string;
  /** By place: `member.operations`. */
  erased: readonly { place: string; count: number }[];
  waitingFor: readonly string[];
}

/** Where a member is not looked for yet when its erasure is asked for: the services that keep something of it, and Temporal's histories. */
const EVERYWHERE = [...ERASERS, 'temporal'];

/** All that is kept of a member must be gone after so long, ms. */
const OVERDUE_MS = 24 * 3_600_000;

/** Which members are to be erased, and what has been. */
export class Erasures {
  readonly collection: Collection<ErasureRecord>;
  readonly #clock: Clock;
  readonly #afterMs: number;
  readonly #proofs: Pseudonyms;

  /**
   * @param proofs by which erasures are known that this service has asked for
   * @param afterMs how long after its deletion a member is erased
   */
  constructor(collection: Collection<ErasureRecord>, clock: Clock, proofs: Pseudonyms, afterMs: number) {
    this.collection = collection;
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#proofs = proofs;
  }

  /**
   * Asks for the erasure of members, as a part of a transaction. Of those that it was asked for before, nothing changes.
   *
   * @returns the events that tell of the others
   */
  async request(session: ClientSession, memberIds: readonly string[]): Promise<OutboxEvent[]> {
    const known = await this.collection.find({ _id: { $in: [...memberIds] } }, { session, projection: { _id: 1 } }).toArray();
    const there = new Set(known.map(({ _id }) => _id));
    const requestedAt = new Date(this.#clock.now());
    const records = memberIds
      .filter((id) => !there.has(id))
      .map((_id) => ({ _id, requestedAt, erased: {}, waitingFor: [...EVERYWHERE] }));
    if (records.length > 0) await this.collection.insertMany(records, { session });
    return records.map(({ _id }) => this.#event(_id));
  }

  /** The members among these whose erasure was asked for by this service: who can write to Kafka can not have others erased. */
  genuine(requested: readonly Requested[]): string[] {
    return requested.filter(({ memberId, proof }) => proof === this.#proofs.of(memberId)).map(({ memberId }) => memberId);
  }

  /** The members among these whose deletion is not long enough ago. */
  async early(session: ClientSession, memberIds: readonly string[]): Promise<ReadonlySet<string>> {
    const early = { _id: { $in: [...memberIds] }, requestedAt: { $gt: this.#dueSince() } };
    return new Set((await this.collection.find(early, { session, projection: { _id: 1 } }).toArray()).map(({ _id }) => _id));
  }

  #dueSince(): Date {
    return new Date(this.#clock.now() - this.#afterMs);
  }

  /** A page of the members whose deletion is long enough ago, whether they are erased or not; in the order of their IDs. */
  async due(after: string, limit: number): Promise<Requested[]> {
    const due = { _id: { $gt: after }, requestedAt: { $lte: this.#dueSince() } };
    const found = await this.collection.find(due, { sort: { _id: 1 }, limit, projection: { _id: 1 } }).toArray();
    return found.map(({ _id }) => ({ memberId: _id, proof: this.#proofs.of(_id) }));
  }

  /**
   * Notes what looks at members have come to.
   *
   * @returns those of them that are not erased though they were deleted a day ago
   */
  async note(notes: readonly ErasureNote[]): Promise<string[]> {
    const now = new Date(this.#clock.now());
    const found = await this.collection.find({ _id: { $in: notes.map(({ memberId }) => memberId) } }).toArray();
    const records = new Map(found.map((record) => [record._id, record]));
    const overdue: string[] = [];
    const updates = notes.flatMap(({ memberId, erased, waitingFor }) => {
      const { requestedAt = now, erasedAt, waitingFor: before = [] } = records.get(memberId) ?? {};
      const isDone = waitingFor.length === 0;
      if (!isDone && !erasedAt && now.getTime() - requestedAt.getTime() > OVERDUE_MS) overdue.push(memberId);
      if (erasedAt && erased.length === 0 && String(before) === String(waitingFor)) return [];
      const times = {
        ...(isDone && !erasedAt ? { erasedAt: now } : {}),
        ...(erasedAt && erased.length > 0 ? { erasedAgainAt: now } : {}),
      };
      const counts = Object.fromEntries(erased.map(({ place, count }) => [`erased.${place}`, count]));
      const update = { $set: { ...times, waitingFor: [...waitingFor] }, ...(erased.length > 0 ? { $inc: counts } : {}) };
      return [{ updateOne: { filter: { _id: memberId }, update } }];
    });
    if (updates.length > 0) await this.collection.bulkWrite(updates as never, { ordered: false });
    return overdue;
  }

  /** What is told of them: a page, or those of some members. */
  async told(which: Which): Promise<OutboxEvent[]> {
    const found = await findPage(this.collection, which).project<{ _id: string }>({ _id: 1 }).toArray();
    return found.map(({ _id }) => this.#event(_id));
  }

  /** A page of the records, in the order of the members' IDs. */
  async list(after: string, limit: number): Promise<ErasureRecord[]> {
    return await this.collection.find({ _id: { $gt: after } }, { sort: { _id: 1 }, limit }).toArray();
  }

  /** Kafka keeps it for ever, and is not restored with this store: so a restored copy, which may not know of a deletion, learns it from there. */
  #event(memberId: string): OutboxEvent {
    const type = 'erasure.requested' satisfies EventOf<'auth'>;
    const payload: Requested = { memberId, proof: this.#proofs.of(memberId) };
    return { aggregateType: 'erasure', aggregateId: memberId, version: 1, type, payload };
  }
}
