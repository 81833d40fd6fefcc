import { randomBytes } from 'node:crypto';
import type { ClientSession, Collection } from 'mongodb';
import { isDuplicateKey } from '#platform/mongo/database.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Sealed } from './domain.ts';
import { fromWord, open, seal, toWord, Vault } from './vault.ts';

/** A member's key. One that was destroyed leaves its document behind, so that the member never gets another. */
export interface MemberKeyDocument {
  /** The member ID; empty: the key for what is of no member. */
  _id: string;
  /** 256 bits in base64, sealed by the master key; absent once it was destroyed. */
  key?: Sealed;
  createdAt: Date;
  destroyedAt?: Date;
}

/** A text that was sealed for a member. */
export interface SealedFor {
  memberId: string;
  sealed: string;
}

/** Keys that a process remembers: a tenth of a kilobyte each. */
const REMEMBERED = 10_000;
/** After this a process asks for a key again, so it does not hold one that was destroyed for long. */
const REMEMBERED_MS = 10 * 60_000;

/**
 * A key for each member, with which what must be kept about it is sealed (AES-256-GCM). To erase the member is to destroy its key: then nobody
 * can open what was sealed, wherever it was copied to, and what depends on its bytes (a chain of hashes) stays as it is.
 */
export class MemberKeys {
  readonly #documents: Collection<MemberKeyDocument>;
  readonly #vault: Vault;
  /** What this process seals with, by member, the oldest first. */
  readonly #known = new Map<string, { key: Promise<Buffer | undefined>; until: number }>();

  /** @param documents read and written by a majority, so that no key is used that a failover takes away */
  constructor(documents: Collection<MemberKeyDocument>, masterKey: Secret) {
    this.#documents = documents;
    this.#vault = new Vault(masterKey, 'member keys');
  }

  /**
   * Seals a text for a member; a key is made where it has none. A process may still seal with a key that another one has just destroyed:
   * nobody can open that.
   *
   * @param memberId empty: for nobody, with a key that is never destroyed
   * @returns one word; undefined: the member was erased
   */
  async seal(memberId: string, text: string): Promise<string | undefined> {
    const key = await this.#remembered(memberId);
    return key && toWord(seal(key, text, memberId));
  }

  /**
   * Opens texts, with one look-up of all their members' keys.
   *
   * @returns in their order; null: its member was erased
   * @throws when one was changed, or is of another member
   */
  async open(texts: readonly SealedFor[]): Promise<(string | null)[]> {
    if (texts.length === 0) return [];
    const ids = [...new Set(texts.map(({ memberId }) => memberId))];
    const documents = await this.#documents.find({ _id: { $in: ids } }).toArray();
    const keys = new Map(documents.map((document) => [document._id, this.#keyIn(document)]));
    return texts.map(({ memberId, sealed }) => {
      const key = keys.get(memberId);
      return key ? open(key, fromWord(sealed), memberId) : null;
    });
  }

  /** Those of these members whose key was not destroyed yet, and those that never had one. */
  async undestroyed(session: ClientSession, memberIds: readonly string[]): Promise<string[]> {
    const gone = { _id: { $in: [...memberIds] }, destroyedAt: { $exists: true }, key: { $exists: false } };
    const found = await this.#documents.find(gone, { session, projection: { _id: 1 } }).toArray();
    const destroyed = new Set(found.map(({ _id }) => _id));
    return memberIds.filter((id) => !destroyed.has(id));
  }

  /**
   * Destroys a member's key as a part of a transaction: what was sealed for it is erased. It never gets another one.
   *
   * @returns whether there was one
   */
  async destroy(session: ClientSession, memberId: string): Promise<boolean> {
    this.#known.delete(memberId);
    const before = await this.#documents.findOneAndUpdate(
      { _id: memberId },
      [
        { $set: { createdAt: { $ifNull: ['$createdAt', '$$NOW'] }, destroyedAt: { $ifNull: ['$destroyedAt', '$$NOW'] } } },
        { $unset: 'key' },
      ],
      { session, upsert: true, returnDocument: 'before' },
    );
    return before?.key !== undefined;
  }

  #remembered(memberId: string): Promise<Buffer | undefined> {
    const known = this.#known.get(memberId);
    if (known && known.until > performance.now()) return known.key;
    this.#known.delete(memberId);
    const [oldest] = this.#known.size < REMEMBERED ? [] : this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
    const asked = { key: this.#find(memberId), until: performance.now() + REMEMBERED_MS };
    this.#known.set(memberId, asked);
    // What failed is tried again by the next.
    asked.key.catch(() => {
      if (this.#known.get(memberId) === asked) this.#known.delete(memberId);
    });
    return asked.key;
  }

  async #find(memberId: string): Promise<Buffer | undefined> {
    const found = (await this.#documents.findOne({ _id: memberId })) ?? (await this.#make(memberId));
    return this.#keyIn(found);
  }

  /** The member's document, which another process may just have made. */
  async #make(memberId: string): Promise<MemberKeyDocument> {
    const key = this.#vault.seal(randomBytes(32).toString('base64'), memberId);
    const make = () =>
      this.#documents.findOneAndUpdate(
        { _id: memberId },
        { $setOnInsert: { key }, $currentDate: { createdAt: true } },
        { upsert: true, returnDocument: 'after' },
      );
    const made = await make().catch((error: unknown) => (isDuplicateKey(error) ? make() : Promise.reject(error)));
    if (!made) throw new Error('an upsert has left no document');
    return made;
  }

  #keyIn({ _id, key }: MemberKeyDocument): Buffer | undefined {
    return key && Buffer.from(this.#vault.open(key, _id), 'base64');
  }
}
