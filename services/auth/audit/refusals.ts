import type { AnyBulkWriteOperation, Collection } from 'mongodb';
import type { Mongo } from '#platform/mongo/database.ts';
import { transaction } from '#platform/operations/mongo.ts';
import type { Secret } from '#platform/process/config.ts';
import { newId } from '#platform/validation/id.ts';
import type { Clock } from '../clock.ts';
import type { MemberKeys } from '../member-keys.ts';
import { Pseudonyms } from '../vault.ts';
import type { Audited, SealedOrigin, WaitingEvent } from './event.ts';

/** What was refused. */
export interface Refusal {
  action: string;
  /** The code that it was refused with. */
  code: string;
  /** From where; empty: not known. */
  address: string;
  /** The member that asked; absent: a stranger. */
  actorId?: string | undefined;
  /** The member whose login was tried. */
  subjectId?: string | undefined;
}

/** Equal refusals of one minute, from one source, in all processes. */
export interface RefusalCount extends Omit<Refusal, 'address'> {
  /** A keyed hash of all that they have in common. */
  _id: string;
  /** When the minute began. */
  minute: Date;
  count: number;
  from?: SealedOrigin;
}

interface Tally extends Refusal {
  minute: number;
  count: number;
}

const MINUTE_MS = 60_000;
/** After its minute a count waits so long for what processes still have of it. */
const SETTLED_MS = 10_000;
/** Counts that become events in one transaction, at most. */
const BATCH = 500;

/** Counts that a process begins in one minute, of members and of strangers each; what is more is counted by action and code only. */
const COUNTS_AT_MOST = 500;

/** Of these, for one member by the addresses that it comes from; what is more is counted without an address. */
const COUNTS_OF_ONE = 50;

/** Counts that wait for a store that is away. */
const WAITING_AT_MOST = 10_000;

/**
 * Counts what is refused, by source and minute: an attack leaves a few events, not millions. What is counted waits in the process for up to
 * a second, so that a refusal costs no write; a process that is killed forgets that second. However many sources there are, counts are
 * bounded: strangers who come from everywhere fill their own half, and hide no member; nor does a member another one.
 */
export class Refusals {
  readonly #mongo: Mongo;
  readonly #counts: Collection<RefusalCount>;
  readonly #waiting: Collection<WaitingEvent>;
  readonly #clock: Clock;
  readonly #keys: MemberKeys;
  readonly #names: Pseudonyms;
  readonly #atMost: number;
  /** What the store has not been told yet. */
  #tallies = new Map<string, Tally>();
  /** What this process has begun to count in this minute, of members and of strangers. */
  #begun = begunIn(0);

  constructor(
    { mongo, counts, waiting }: { mongo: Mongo; counts: Collection<RefusalCount>; waiting: Collection<WaitingEvent> },
    { clock, keys, masterKey, atMost = COUNTS_AT_MOST }: { clock: Clock; keys: MemberKeys; masterKey: Secret; atMost?: number },
  ) {
    this.#mongo = mongo;
    this.#counts = counts;
    this.#waiting = waiting;
    this.#clock = clock;
    this.#keys = keys;
    this.#names = new Pseudonyms(masterKey, 'audited refusals');
    this.#atMost = atMost;
  }

  /** Counts one more, and writes nothing yet. */
  count(refusal: Refusal): void {
    const minute = Math.floor(this.#clock.now() / MINUTE_MS) * MINUTE_MS;
    const counted = this.#bounded(minute, refusal);
    const key = `${minute} ${keyOf(counted)}`;
    const tally = this.#tallies.get(key) ?? { ...counted, minute, count: 0 };
    tally.count++;
    this.#tallies.set(key, tally);
  }

  /** What of it there is room for to count by itself. */
  #bounded(minute: number, refusal: Refusal): Refusal {
    const { action, code, actorId } = refusal;
    if (this.#begun.minute !== minute) this.#begun = begunIn(minute);
    const { members, strangers, addressesOf } = this.#begun;
    const begun = actorId === undefined ? strangers : members;
    const anywhere = { ...refusal, address: '' };
    for (const one of actorId === undefined ? [refusal] : [refusal, anywhere]) {
      const key = keyOf(one);
      if (!begun.has(key)) {
        const addresses = one === refusal && actorId !== undefined ? (addressesOf.get(actorId) ?? 0) : 0;
        // While the store is away, what waits for it is bounded, too.
        if (begun.size >= this.#atMost || addresses >= COUNTS_OF_ONE || this.#tallies.size >= WAITING_AT_MOST) continue;
        begun.add(key);
        if (one === refusal && actorId !== undefined) addressesOf.set(actorId, addresses + 1);
      }
      return one;
    }
    return { action, code, address: '' };
  }

  /** Writes what was counted, in one write. What can not be written is kept for the next time; a part of it may then count twice. */
  async flush(): Promise<void> {
    const tallies = this.#tallies;
    if (tallies.size === 0) return;
    this.#tallies = new Map();
    try {
      const writes = await Promise.all([...tallies.values()].map((tally) => this.#writeOf(tally)));
      await this.#counts.bulkWrite(writes, { ordered: false });
    } catch (error) {
      for (const [key, { count, ...tally }] of tallies)
        this.#tallies.set(key, { ...tally, count: count + (this.#tallies.get(key)?.count ?? 0) });
      throw error;
    }
  }

  async #writeOf({ minute, count, address, ...refusal }: Tally): Promise<AnyBulkWriteOperation<RefusalCount>> {
    const sealedFor = refusal.actorId ?? refusal.subjectId ?? '';
    const origin = address && (await this.#keys.seal(sealedFor, JSON.stringify({ address, client: '' })));
    const _id = this.#names.of(String(minute), keyOf({ ...refusal, address }));
    const said = { ...refusal, minute: new Date(minute), ...(origin ? { from: { sealedFor, origin } } : {}) };
    return { updateOne: { filter: { _id }, update: { $inc: { count }, $setOnInsert: said }, upsert: true } };
  }

  /** Makes events of the counts whose minute is over. What comes later still is a count, and an event, of its own. */
  async settle(): Promise<void> {
    const over = { minute: { $lte: new Date(this.#clock.now() - MINUTE_MS - SETTLED_MS) } };
    for (let settled = BATCH; settled === BATCH && (await this.#counts.findOne(over, { projection: { _id: 1 } })); )
      settled = await transaction(this.#mongo, async (session) => {
        const counts = await this.#counts.find(over, { session, sort: { minute: 1 }, limit: BATCH }).toArray();
        if (counts.length === 0) return 0;
        await this.#counts.deleteMany({ _id: { $in: counts.map(({ _id }) => _id) } }, { session });
        await this.#waiting.insertMany(counts.map(eventOf), { session });
        return counts.length;
      });
  }
}

/** What is begun to be counted in a minute: of members, of strangers, and of each member with an address. */
const begunIn = (minute: number) => ({
  minute,
  members: new Set<string>(),
  strangers: new Set<string>(),
  addressesOf: new Map<string, number>(),
});

const keyOf = ({ action, code, address, actorId = '', subjectId = '' }: Refusal): string =>
  JSON.stringify([action, code, address, actorId, subjectId]);

function eventOf({ minute, action, code, count, actorId, subjectId, from }: RefusalCount): WaitingEvent {
  const resources: Audited[] = subjectId === undefined ? [] : [{ type: 'Member', id: subjectId }];
  return {
    _id: newId(),
    at: minute,
    action,
    outcome: code,
    count,
    ...(actorId === undefined ? {} : { actorId }),
    resources,
    ...(from ? { from } : {}),
  };
}
