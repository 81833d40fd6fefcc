import { noTerms, positionTerms } from './position-terms.ts';
import { finish, pivot, saga } from './saga.ts';
import { standingsOf } from './standings.ts';
import { services } from './step.ts';

const { auth, position, term } = services;

export interface BindPositionInput {
  groupId: string;
  positionId: string;
  memberId: string;
  /** Who binds it. */
  byMemberId: string;
  /** When it is let go again (RFC 3339); absent: never. */
  until?: string | undefined;
}

/** Binds a member of a group to one of its positions, for the term that is given, or leaves it as it was. */
export const bindPosition = saga(
  'position.bind',
  [
    [
      position.beginChangeBindings,
      pivot(auth.changeStandings),
      finish(term.setTerms, noTerms),
      finish(position.commitBindings, () => ({})),
    ],
  ],
  async ({ step }, { groupId, positionId, memberId, byMemberId, until }: BindPositionInput) => {
    const change = { bind: [positionId], release: [], releaseAll: false, until, byMemberId };
    const { bindings, tenure, terms } = await step(position.beginChangeBindings, { groupId, memberId, ...change });
    await step(auth.changeStandings, { groupId, changes: standingsOf(bindings), tenure });
    if (terms.length > 0) await step(term.setTerms, positionTerms(terms));
    await step(position.commitBindings, {});
    return { id: groupId };
  },
);
