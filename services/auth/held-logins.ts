import type { ClientSession, Collection } from 'mongodb';
import type { Rate } from '#platform/process/config.ts';
import type { Clock } from './clock.ts';
import { loginKey, type Member } from './domain.ts';
import { loginTaken, renamedTooOften, tooManyRenames } from './refusals.ts';
import type { Pseudonyms } from './vault.ts';

/** A name that a member gave up, by a rename or by its deletion, and that no other member gets yet. */
export interface HeldLogin {
  /** What the name is called here: a UUID, by which nobody can tell the name. */
  _id: string;
  memberId: string;
  /** The name; absent once its member is deleted. */
  loginId?: string;
  heldAt: Date;
  until: Date;
}

/** How freely names are given up. */
export interface LoginRules {
  /** How long a name is held, ms; longer than any saga takes to be undone. */
  heldMs: number;
  /** So many are held for one member at a time: otherwise each could keep as many names from all others as it likes. */
  heldAtMost: number;
  /** How often one member is renamed. */
  renames: Rate;
}

/** What of a hold an undo puts back; as JSON its times are text. */
export type KeptHold = Omit<HeldLogin, 'heldAt' | 'until'> & { heldAt: string; until: string };

/**
 * The names that are held. A name always is somebody's login, held, or free; who takes one reads that in the transaction that then
 * takes it. So whoever read before the name was given up finds it in the unique index, and whoever read after that finds the hold.
 */
export class HeldLogins {
  readonly collection: Collection<HeldLogin>;
  readonly rules: LoginRules;
  readonly #names: Pseudonyms;
  readonly #clock: Clock;

  constructor(collection: Collection<HeldLogin>, rules: LoginRules, names: Pseudonyms, clock: Clock) {
    this.collection = collection;
    this.rules = rules;
    this.#names = names;
    this.#clock = clock;
  }

  /** What the hold of a name is called. */
  idOf(loginId: string): string {
    return this.#names.uuidOf(loginKey(loginId));
  }

  /**
   * Lets a member take a name, if it is not held for another; a hold of its own ends.
   *
   * @returns the hold that ended, for an undo; and the others that the member has
   * @throws LOGIN_TAKEN
   */
  async end(
    session: ClientSession,
    { memberId, loginId }: { memberId: string; loginId: string },
  ): Promise<{ hold: HeldLogin | undefined; others: HeldLogin[] }> {
    const id = this.idOf(loginId);
    const found = await this.collection.find({ $or: [{ _id: id }, { memberId }] }, { session }).toArray();
    const hold = found.find(({ _id }) => _id === id);
    if (hold && hold.memberId !== memberId && this.#lasts(hold)) throw loginTaken();
    if (hold) await this.collection.deleteOne({ _id: id }, { session });
    return { hold, others: found.filter(({ _id }) => _id !== id) };
  }

  /**
   * Refuses to hold one name more than a member may have held. None of those that are held is given up for it: an undo
   * may need it. They are read in the transaction that changes the member, so no two renames count at once.
   *
   * @throws TOO_MANY_RENAMES
   */
  check(holds: readonly HeldLogin[]): void {
    const { heldAtMost } = this.rules;
    const lasting = holds.filter((hold) => this.#lasts(hold)).map(({ until }) => until);
    const [next] = lasting.sort((a, b) => a.getTime() - b.getTime()).slice(-heldAtMost);
    if (next && lasting.length >= heldAtMost) throw tooManyRenames(heldAtMost, next);
  }

  /** Holds the name that a member gives up in this transaction. @param loginId absent once the member is deleted */
  async hold(session: ClientSession, { memberId, loginId }: { memberId: string; loginId: string }): Promise<void> {
    await this.#put(session, { _id: this.idOf(loginId), memberId, loginId, ...this.#times() });
  }

  /** Holds a name again as it was held before, while that would still last. */
  async putBack(session: ClientSession, { heldAt, until, ...kept }: KeptHold): Promise<void> {
    const hold = { ...kept, heldAt: new Date(heldAt), until: new Date(until) };
    if (this.#lasts(hold)) await this.#put(session, hold);
  }

  /** Holds the name of a member that is deleted; of this one and of those before it, nobody can read what they were. */
  async holdWithoutName(session: ClientSession, { _id: memberId, loginId }: Pick<Member, '_id' | 'loginId'>): Promise<void> {
    await this.forgetNames(session, [memberId]);
    await this.#put(session, { _id: this.idOf(loginId), memberId, ...this.#times() });
  }

  /** Of the names that are held for these members, nobody can read any more what they were. @returns the member of each that could be read */
  async forgetNames(session: ClientSession, memberIds: readonly string[]): Promise<string[]> {
    const named = { memberId: { $in: [...memberIds] }, loginId: { $exists: true } };
    const found = await this.collection.find(named, { session, projection: { memberId: 1 } }).toArray();
    const ids = found.map(({ _id }) => _id);
    if (ids.length > 0) await this.collection.updateMany({ _id: { $in: ids } }, { $unset: { loginId: '' } }, { session });
    return found.map(({ memberId }) => memberId);
  }

  /**
   * Takes a token of a member's bucket of renames.
   *
   * @param fullAt when the bucket is full; undefined: it is
   * @returns when it is full then
   * @throws RENAMED_TOO_OFTEN
   */
  takeRename(fullAt: Date | undefined): Date {
    const { burst, everySeconds } = this.rules.renames;
    const now = this.#clock.now();
    const leftMs = Math.max(0, (fullAt?.getTime() ?? now) - now);
    const waitMs = leftMs - (burst - 1) * everySeconds * 1_000;
    if (waitMs > 0) throw renamedTooOften(Math.ceil(waitMs / 1_000));
    return new Date(now + leftMs + everySeconds * 1_000);
  }

  /** Those that last, in the order of their IDs. */
  async list({ after, limit, id }: { after: string; limit: number; id?: string }): Promise<HeldLogin[]> {
    const which = id === undefined ? { $gt: after } : { $eq: id, $gt: after };
    return await this.collection
      .find({ _id: which, until: { $gt: new Date(this.#clock.now()) } }, { sort: { _id: 1 }, limit })
      .toArray();
  }

  /** Those of earlier releases are under their plain names. */
  async renameOld(): Promise<void> {
    for await (const { _id: loginId, memberId, until } of this.collection.find({ heldAt: { $exists: false } })) {
      const hold = { memberId, loginId, heldAt: new Date(this.#clock.now()), until };
      await this.collection.updateOne({ _id: this.idOf(loginId) }, { $setOnInsert: hold }, { upsert: true });
      await this.collection.deleteOne({ _id: loginId });
    }
  }

  #times() {
    const now = this.#clock.now();
    return { heldAt: new Date(now), until: new Date(now + this.rules.heldMs) };
  }

  #lasts({ until }: Pick<HeldLogin, 'until'>): boolean {
    return until.getTime() > this.#clock.now();
  }

  async #put(session: ClientSession, { _id, ...hold }: HeldLogin): Promise<void> {
    await this.collection.replaceOne({ _id }, hold, { session, upsert: true });
  }
}

/** A hold as an operation keeps it for its undo. */
export const keptHold = ({ heldAt, until, ...hold }: HeldLogin): KeptHold => ({
  ...hold,
  heldAt: heldAt.toISOString(),
  until: until.toISOString(),
});
