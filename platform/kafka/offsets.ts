import { type Logger, logDefect } from '../process/log.ts';

/** How long a handled message may wait for its offset to be committed. Messages are handled idempotently, so a crash costs only this. */
const COMMIT_AFTER_MS = 200;

export interface Offset {
  topic: string;
  partition: number;
  /** The next one to read. */
  offset: string;
}

/** Offsets of handled messages, committed together a moment later: one request for many small batches. */
export class Offsets {
  readonly #commit: (offsets: Offset[]) => Promise<void>;
  readonly #log: Logger;
  readonly #pending = new Map<string, Offset>();
  #timer: NodeJS.Timeout | undefined;

  constructor(commit: (offsets: Offset[]) => Promise<void>, log: Logger) {
    this.#commit = commit;
    this.#log = log;
  }

  /** Notes that everything up to and with `offset` is handled. */
  handled(topic: string, partition: number, offset: string): void {
    this.#pending.set(`${topic}/${partition}`, { topic, partition, offset: String(BigInt(offset) + 1n) });
    this.#timer ??= setTimeout(() => {
      this.flush().catch(logDefect(this.#log, 'offsets were not committed'));
    }, COMMIT_AFTER_MS);
  }

  /** Commits now. A failure is not one: the messages come again. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const offsets = [...this.#pending.values()];
    this.#pending.clear();
    if (offsets.length === 0) return;
    try {
      await this.#commit(offsets);
    } catch (error) {
      this.#log.debug({ err: error }, 'offsets were not committed: their messages come again');
    }
  }

  /** Forgets what is not committed: after a rebalance another member may be further. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending.clear();
  }
}
