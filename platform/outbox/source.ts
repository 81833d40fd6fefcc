import { pause } from '../concurrency/abort.ts';
import type { StoredEvent } from './event.ts';

/** What a relay does with one source at present. */
export type RelayState = 'starting' | 'leading' | 'standby';

/** What a source is given to work with. */
export interface RelayContext {
  /**
   * Returns, when Kafka has all that can be sent, the keys of those that may leave the outbox. An event that can never be
   * sent is none of them: it stays, and is tried again when it is given again. To be awaited before the next call.
   */
  publish(events: StoredEvent[]): Promise<string[]>;
  /** Aborted when the relay stops. */
  signal: AbortSignal;
  /** Told while another relay leads. */
  standBy(): void;
  /** Told when this relay begins to lead; throws when Kafka is away. */
  lead(): Promise<void>;
  /**
   * Called every few seconds, also while standing by, with the key of the outbox's oldest event.
   *
   * @returns whether that event is overdue: neither log nor stream has reported it, so the caller must send it from the
   *   outbox
   */
  waits(oldest: string | undefined): boolean;
}

/**
 * A service's outbox, which holds exactly what is still to be sent: an event leaves it when Kafka has it. `run` relays
 * what is committed there, in order per key and at least once, until the signal aborts (then it returns) or something
 * fails (then it throws, having given everything back; it is run again).
 * Of several relays of one source one leads, the others stand by.
 */
export interface OutboxSource {
  readonly name: string;
  run(context: RelayContext): Promise<void>;
}

/** The most events that are published at once. */
export const BATCH = 500;
/** How long what was sent may stay in the outbox, to leave it together with others. A crash costs only repeats. */
export const REMOVE_AFTER_MS = 200;
/** How often a relay looks whether events wait in the outbox. */
export const LOOK_EVERY_MS = 3_000;
/** How long what a run has begun may go on when it has failed, before it is left to itself. */
export const END_TIMEOUT_MS = 5_000;

/** Does `work` every `ms` milliseconds until the signal aborts. Rejects when it fails. */
export async function every(ms: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  for (;;) {
    await pause(ms, signal);
    if (signal.aborted) return;
    await work();
  }
}
