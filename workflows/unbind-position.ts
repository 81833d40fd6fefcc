import { ofMembers } from './narrowing.ts';
import { positionTerms } from './position-terms.ts';
import { finish, pivot, saga } from './saga.ts';
import { standingsOf } from './standings.ts';
import { services } from './step.ts';
import { noTerms } from './term.ts';

const { auth, position, term, websocket } = services;

export interface UnbindPositionInput {
  groupId: string;
  positionId: string;
  memberId: string;
}

/** Whoever was bound. */
const ofAll = () => ({});

/** Lets a member go from a position of a group, or leaves it as it was. */
export const unbindPosition = saga(
  'position.unbind',
  [
    [
      position.beginChangeBindings,
      pivot(auth.changeStandings),
      finish(websocket.narrowSockets, ofAll),
      finish(term.setTerms, noTerms),
      finish(position.commitBindings, ofAll),
    ],
  ],
  async ({ step }, { groupId, positionId, memberId }: UnbindPositionInput) => {
    const change = { bind: [], release: [positionId], releaseAll: false };
    const { bindings, tenure, terms } = await step(position.beginChangeBindings, { groupId, memberId, ...change });
    await step(auth.changeStandings, { groupId, changes: standingsOf(bindings), tenure });
    await step(websocket.narrowSockets, ofMembers(memberId));
    if (terms.length > 0) await step(term.setTerms, positionTerms(terms));
    await step(position.commitBindings, {});
    return { id: groupId };
  },
);
