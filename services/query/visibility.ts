import type { Database } from '#platform/postgres/database.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { invisible } from './projections/registry.ts';
import { notVisibleYet } from './refusals.ts';

/** Somebody who waits for versions to become visible. */
interface Wait {
  /** What is still missing: aggregate → the version that is wanted of it. */
  missing: Map<string, number>;
  wake: () => void;
}

/**
 * Tells those who wait when a version has become visible to queries, without asking the database over and over:
 * whoever commits a version says so ({@link announce}), in this process or, by notification, in another.
 */
export class Visibility {
  readonly #db: Database;
  readonly #waits = new Map<string, Set<Wait>>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** These versions are visible. Saying it twice, or of versions nobody waits for, does no harm. */
  announce(visible: readonly AggregateVersion[]): void {
    for (const version of visible) {
      const key = keyOf(version);
      for (const wait of this.#waits.get(key) ?? []) {
        if ((wait.missing.get(key) ?? Number.POSITIVE_INFINITY) > version.version) continue;
        wait.missing.delete(key);
        if (wait.missing.size === 0) wait.wake();
      }
    }
  }

  /** Looks up everything that is waited for: announcements may have been missed. */
  async recheck(): Promise<void> {
    const wanted = [...this.#waits].flatMap(([key, waits]) =>
      [...waits].map((wait) => ({ ...fromKey(key), version: wait.missing.get(key) ?? 0 })),
    );
    if (wanted.length > 0) await this.#lookUp(wanted);
  }

  /**
   * Returns once all versions are visible.
   * @throws NOT_VISIBLE_YET after `waitMs`, or as soon as `signal` is aborted
   */
  async wait(versions: readonly AggregateVersion[], waitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const wait: Wait = { missing: new Map(), wake };
    for (const version of versions) {
      const key = keyOf(version);
      wait.missing.set(key, Math.max(version.version, wait.missing.get(key) ?? 0));
    }
    // First registered, then looked up: what is committed in between is announced.
    const leave = this.#register(wait);
    const timer = setTimeout(wake, waitMs);
    signal.addEventListener('abort', wake, { once: true });
    try {
      await this.#lookUp(versions);
      if (wait.missing.size > 0 && !signal.aborted) {
        await promise;
        // A last look, for announcements that were lost with the connection they should have come by.
        if (wait.missing.size > 0 && !signal.aborted) await this.#lookUp(versions);
      }
      if (wait.missing.size > 0) throw notVisibleYet();
    } finally {
      leave();
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
    }
  }

  #register(wait: Wait): () => void {
    const keys = [...wait.missing.keys()];
    for (const key of keys) {
      const waits = this.#waits.get(key) ?? new Set();
      this.#waits.set(key, waits.add(wait));
    }
    return () => {
      for (const key of keys) {
        const waits = this.#waits.get(key);
        waits?.delete(wait);
        if (waits?.size === 0) this.#waits.delete(key);
      }
    };
  }

  async #lookUp(versions: readonly AggregateVersion[]): Promise<void> {
    if (versions.length === 0) return;
    const missing = new Set((await invisible(this.#db, versions)).map((version) => `${version.version}:${keyOf(version)}`));
    this.announce(versions.filter((version) => !missing.has(`${version.version}:${keyOf(version)}`)));
  }
}

/** Types have no colon in them. */
const keyOf = ({ type, id }: { type: string; id: string }): string => `${type}:${id}`;

function fromKey(key: string): { type: string; id: string } {
  const colon = key.indexOf(':');
  return { type: key.slice(0, colon), id: key.slice(colon + 1) };
}
