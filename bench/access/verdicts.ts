import type { Known } from './facts.ts';

/** What must not happen. */
export type Violation =
  | 'stale allow'
  | 'late grant'
  | 'late pivot'
  | 'frame on an old permission'
  | 'not narrowed'
  | 'not closed';

interface Count {
  allowed: number;
  refused: number;
  /** While what must be answered was just being changed: either is right. */
  open: number;
}

/** Holds what was answered against what was so, and counts. */
export class Verdicts {
  readonly violations: { what: Violation; text: string }[] = [];
  /** By what was asked. */
  readonly counts = new Map<string, Count>();
  /** From the acknowledgement to the close that the client sees, ms; 0: it came before. */
  readonly closes: number[] = [];
  /** From the acknowledgement until the client was told that a topic has ended, ms; 0: it came before. */
  readonly narrowings: number[] = [];
  /** Answers that say nothing of permissions, by status and code. */
  readonly others = new Map<string, number>();

  /**
   * @param permitted what held all the time, if one thing did
   * @param stale what it is when it was allowed although it was not permitted
   */
  judge(asked: string, permitted: Known, isAllowed: boolean, text: () => string, stale: Violation = 'stale allow'): void {
    const count = this.counts.get(asked) ?? { allowed: 0, refused: 0, open: 0 };
    this.counts.set(asked, count);
    if (permitted === undefined) count.open++;
    else if (isAllowed) count.allowed++;
    else count.refused++;
    if (permitted === false && isAllowed) this.violate(stale, `${asked}: ${text()}`);
    if (permitted === true && !isAllowed) this.violate('late grant', `${asked}: ${text()}`);
  }

  violate(what: Violation, text: string): void {
    this.violations.push({ what, text });
  }

  other(name: string): void {
    this.others.set(name, (this.others.get(name) ?? 0) + 1);
  }
}
