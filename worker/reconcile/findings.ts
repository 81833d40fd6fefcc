import { MusubiError } from '#platform/errors.ts';
import type { Logger } from '#platform/process/log.ts';
import { KINDS, type Kind } from './drift.ts';
import { driftFound } from './metrics.ts';

/** What was found. It names nobody. */
export interface Report {
  /** How many were compared. */
  compared: { logins: number; members: number; roles: number; groups: number; memberships: number };
  /** How much was made to agree, by kind. */
  repaired: Partial<Record<Kind, number>>;
  /** What was not: IDs and codes, the first {@link LEFT_NAMED}; and how many in all. */
  left: { kind: Kind; id: string; code: string }[];
  leftInAll: number;
}

/** One pass over all of a kind: where their IDs come from, what of them is looked for, and what is done about it. */
export interface Pass {
  /** The IDs of a page, after an ID. */
  page(after: string): Promise<string[]>;
  /** Those of them that differ now, or of what belongs to them. */
  differing(ids: string[]): Promise<string[]>;
  /** Looks at these again, and makes agree what differs still. */
  repair(ids: string[]): Promise<void>;
}

const LEFT_NAMED = 20;

const newReport = (): Report => ({
  compared: { logins: 0, members: 0, roles: 0, groups: 0, memberships: 0 },
  repaired: {},
  left: [],
  leftInAll: 0,
});

/** Puts right what was found, and tells of it: in the log, in the metrics, and in the end of the run. */
export class Findings {
  readonly report: Report;
  readonly #log: Logger;
  readonly #repaired: () => void;

  /** @param repaired is told each time that something was put right */
  constructor(report: Report | undefined, log: Logger, repaired: () => void) {
    this.report = report ?? newReport();
    this.#log = log;
    this.#repaired = repaired;
  }

  /** @returns whether it was put right; a copy that has changed meanwhile is left to the next run */
  async repair(kinds: readonly Kind[], id: string, correct: () => Promise<{ corrected: boolean }>): Promise<boolean> {
    try {
      const { corrected } = await correct();
      if (!corrected) return false;
    } catch (error) {
      if (!(error instanceof MusubiError) || error.retryable) throw error;
      for (const kind of kinds) this.leave(kind, id, error.code);
      return false;
    }
    const { repaired } = this.report;
    for (const kind of kinds) {
      repaired[kind] = (repaired[kind] ?? 0) + 1;
      driftFound.inc({ kind, outcome: 'repaired' });
    }
    this.#repaired();
    this.#log.warn({ id, kinds }, 'what a service had was not what the others have; it is put right');
    return true;
  }

  leave(kind: Kind, id: string, code: string): void {
    const { left } = this.report;
    this.report.leftInAll++;
    if (left.length < LEFT_NAMED) left.push({ kind, id, code });
    driftFound.inc({ kind, outcome: 'left' });
    this.#log.error({ id, kinds: [kind], code }, 'what a service has is not what the others have, and stays so');
  }
}

/** What was found, in words. */
export function inWords({ compared, repaired, left, leftInAll }: Report): string {
  const { logins, members, roles, groups, memberships } = compared;
  const put = KINDS.flatMap((kind) => (repaired[kind] ? `${repaired[kind]} ${kind}` : [])).join(', ');
  const stays = left.map(({ kind, id, code }) => `${kind} of ${id}: ${code}`).join('; ');
  return [
    `Compared ${logins} logins, ${members} members, ${roles} roles, ${groups} groups and ${memberships} memberships.`,
    put ? `Put right: ${put}.` : 'All agreed.',
    ...(leftInAll > 0 ? [`**${leftInAll} stay different:** ${stays}.`] : []),
  ].join(' ');
}
