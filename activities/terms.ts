import type { Command } from '../temporal.config.ts';

/** That something ends at a moment, by a job that the system itself begins (`workflows/term.ts`). */
export interface Term {
  /** What ends, which names its timer: `position/GROUP/MEMBER/POSITION`. It has one term at most. */
  about: string;
  /** When it ends (RFC 3339): at once, where that is over. Null: it has no end, or none any more. */
  until: string | null;
  /**
   * The command that ends it, a saga of `sagas.ts`, with its input and its job's aggregate. Others may have changed the term, or what it is about,
   * just before: so the input names the moment, and where that is not what holds the command changes nothing, and is done.
   */
  command: Command;
  input: object;
  aggregateId: string;
  /** The member that it concerns: it is found by that. */
  memberId: string;
  /** One line for operators. */
  summary: string;
}

/** Who keeps the timers (`worker/terms.ts`). */
export interface Terms {
  setTerms(request: { terms: readonly Term[] }, options: { timeoutMs: number }): Promise<object>;
}
