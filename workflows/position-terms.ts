import type { Term as PositionTerm } from '#proto/musubi/term/v1/term.ts';
import type { Term } from '../activities/terms.ts';

// How long members are bound to positions, for whoever sets the timers.

/** What lets a member go from a position. */
export interface EndTermInput {
  groupId: string;
  memberId: string;
  positionId: string;
  /** The term that has ended. */
  until: string;
}

/** The timers of terms, as they are now. */
export const positionTerms = (terms: readonly PositionTerm[]): { terms: Term[] } => ({ terms: terms.map(positionTerm) });

function positionTerm({ groupId, memberId, positionId, until }: PositionTerm): Term {
  return {
    about: `position/${groupId}/${memberId}/${positionId}`,
    until: until ?? null,
    command: 'position.end-term',
    input: { groupId, memberId, positionId, until: until ?? '' } satisfies EndTermInput,
    aggregateId: groupId,
    memberId,
    summary: `How long member ${memberId} is bound to position ${positionId}`,
  };
}
