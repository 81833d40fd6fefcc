import { ofMembers } from './narrowing.ts';
import { positionTerms } from './position-terms.ts';
import { finish, pivot, saga } from './saga.ts';
import { standingsOf } from './standings.ts';
import { services } from './step.ts';
import { noTerms } from './term.ts';

const { auth, group, position, term, websocket } = services;

export interface BindPositionInput {
  groupId: string;
  positionId: string;
  memberId: string;
  /** Who binds it. */
  byMemberId: string;
  /** When it is let go again (RFC 3339); absent: never. */
  until?: string | undefined;
}

/** Whoever is bound. */
const ofAll = () => ({});

/** Binds a member of a group to one of its positions, for the term that is given, or leaves it as it was. */
export const bindPosition = saga(
  'position.bind',
  [
    [
      group.holdGroup,
      position.beginChangeBindings,
      pivot(auth.changeStandings),
      finish(websocket.narrowSockets, ofAll),
      finish(term.setTerms, noTerms),
      finish(position.commitBindings, ofAll),
      finish(group.releaseGroup, ofAll),
    ],
  ],
  async ({ step }, { groupId, positionId, memberId, byMemberId, until }: BindPositionInput) => {
    await step(group.holdGroup, { groupId });
    const change = { bind: [positionId], release: [], releaseAll: false, until, byMemberId };
    const { bindings, tenure, terms } = await step(position.beginChangeBindings, { groupId, memberId, ...change });
    await step(auth.changeStandings, { groupId, changes: standingsOf(bindings), tenure });
    // Policies may forbid something to who is bound to it.
    await step(websocket.narrowSockets, ofMembers(memberId));
    if (terms.length > 0) await step(term.setTerms, positionTerms(terms));
    await step(position.commitBindings, {});
    await step(group.releaseGroup, {});
    return { id: groupId };
  },
);
