import type { OutboxRecord } from './event.ts';

/** What a relay does with one source at present. */
export type RelayState = 'starting' | 'leading' | 'standby';

/** What a source is given to work with. */
export interface RelayContext {
  /** Returns when Kafka has all of them; to be awaited before the next call. Usable while leading. */
  publish(events: OutboxRecord[]): Promise<void>;
  /** Aborted when the relay stops. */
  signal: AbortSignal;
  /** Told while another relay leads. */
  standBy(): void;
  /** Told when this relay has begun to lead; throws when Kafka is away. */
  lead(): Promise<void>;
}

/**
 * A service's outbox. `run` relays what is committed there, in order per key and at least once, until the signal
 * aborts (then it returns) or something fails (then it throws, having given everything back; it is run again).
 * Of several relays of one source one leads, the others stand by.
 */
export interface OutboxSource {
  readonly name: string;
  run(context: RelayContext): Promise<void>;
}

/** The most events that are published at once. */
export const BATCH = 500;
/** Rows that are kept after they were sent, for people and for a position that gets lost. */
export const OUTBOX_KEPT_MS = 86_400_000;

/** Sleeps; returns early when the signal aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
