/** What is asked by it. */
export const ASKED = ['command', 'query', 'list', 'search', 'permissions', 'open socket', 'running job'] as const;
export type Asked = (typeof ASKED)[number];

/** How often each was allowed, and refused, of what was asked before the acknowledgement and after it; and what must not have been. */
export class Tally {
  readonly counts = new Map<string, { before: [allowed: number, refused: number]; after: [allowed: number, refused: number] }>();
  readonly stale: string[] = [];
  /** What should have been allowed, and was not: where the position was there all the time. */
  readonly lacked: string[] = [];
  rounds = 0;

  note(asked: Asked, isAfter: boolean, isAllowed: boolean, text: string): void {
    const count = this.counts.get(asked) ?? { before: [0, 0], after: [0, 0] };
    this.counts.set(asked, count);
    count[isAfter ? 'after' : 'before'][isAllowed ? 0 : 1]++;
    if (isAfter && isAllowed) this.stale.push(`${asked}: ${text}`);
  }
}
