import type { Client } from 'pg';
import { Batcher } from '../concurrency/batcher.ts';
import { remove } from './postgres-outbox.ts';
import type { Lsn } from './replication.ts';
import { BATCH, REMOVE_AFTER_MS } from './source.ts';

/** Rows of one commit that Kafka has. */
export interface Sent {
  ids: string[];
  /** The transaction that wrote them, as the log names it; rows that were found in the table have none. */
  xid?: number;
  /** Where the commit ends in the log. */
  end?: Lsn;
}

/**
 * Removes what was sent from the table, and tells up to where the log is not needed any more.
 *
 * The log tells of a commit when it is written, which can be before other sessions see it: while the server waits for a
 * synchronous standby, or just for its turn. What a removal did not see it tries again. Each removal includes what is left of
 * those before it. So of one key's rows the table never holds an older one without the newer, and who has to begin with the
 * table ends with the newest.
 */
export class Removal {
  readonly #client: Client;
  readonly #batcher: Batcher<Sent>;
  readonly #onEnded: (ids: string[], end: Lsn | undefined) => void;
  /** In the order of the log, the first one with rows that are still there. */
  #unseen: Sent[] = [];
  #again: NodeJS.Timeout | undefined;

  /** @param onEnded gets what is out of the table, and up to where no row is left that the log has reported */
  constructor(client: Client, onEnded: (ids: string[], end: Lsn | undefined) => void) {
    this.#client = client;
    this.#onEnded = onEnded;
    this.#batcher = new Batcher((sent) => this.#remove(sent), BATCH, REMOVE_AFTER_MS);
  }

  push(sent: Sent): void {
    this.#batcher.push(sent);
  }

  /** Rejects when the table can't be reached. Never resolves. */
  get failed(): Promise<never> {
    return this.#batcher.failed;
  }

  /** Whether everything that was sent is out of the table. */
  get idle(): boolean {
    return this.#batcher.idle && this.#unseen.length === 0;
  }

  /** Removes what can be removed now, and ends. */
  async close(): Promise<void> {
    await this.#batcher.flush();
    clearTimeout(this.#again);
  }

  async #remove(sent: Sent[]): Promise<void> {
    const all = [...this.#unseen, ...sent];
    const { removed, sees } = await remove(
      this.#client,
      all.flatMap(({ ids }) => ids),
    );
    // Rows that are visible and were not removed are gone already: another has removed them.
    const isLeft = (id: string, xid: number | undefined): boolean => !removed.has(id) && xid !== undefined && !sees(xid);
    const ended = all.flatMap(({ ids, xid }) => ids.filter((id) => !isLeft(id, xid)));
    const rest = all.map((one) => ({ ...one, ids: one.ids.filter((id) => isLeft(id, one.xid)) }));
    const firstLeft = rest.findIndex(({ ids }) => ids.length > 0);
    const out = firstLeft === -1 ? rest : rest.slice(0, firstLeft);
    this.#unseen = rest.slice(out.length);
    this.#onEnded(ended, out.findLast(({ end }) => end !== undefined)?.end);
    clearTimeout(this.#again);
    if (this.#unseen.length > 0) this.#again = setTimeout(() => this.#batcher.push({ ids: [] }), REMOVE_AFTER_MS);
  }
}
