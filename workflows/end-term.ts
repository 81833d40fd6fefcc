import { ofMembers } from './narrowing.ts';
import type { EndTermInput } from './position-terms.ts';
import { finish, pivot, saga } from './saga.ts';
import { standingsOf } from './standings.ts';
import { services } from './step.ts';

const { auth, position, websocket } = services;

/** Whoever was bound. */
const ofAll = () => ({});

/**
 * Lets a member go from a position of a group whose term has ended. Nobody is asked: also the last one who leads the group goes, and it is led by those
 * of the groups above it. Where that term does not hold any more, nothing is done. The system itself begins it.
 */
export const endTerm = saga(
  'position.end-term',
  [
    [
      position.beginEndTerm,
      pivot(auth.changeStandings),
      finish(websocket.narrowSockets, ofAll),
      finish(position.commitBindings, ofAll),
    ],
    [
      position.claimBindings,
      position.beginEndTerm,
      pivot(auth.changeStandings),
      finish(websocket.narrowSockets, ofAll),
      finish(position.commitBindings, ofAll),
    ],
  ],
  async ({ step, since }, { groupId, memberId, positionId, until }: EndTermInput) => {
    // Nobody else begins to bind the member from here on, so those who go on doing that do not hold this up.
    if (since(2)) await step(position.claimBindings, { groupId, memberId });
    const { bindings } = await step(position.beginEndTerm, { groupId, memberId, positionId, until });
    if (!bindings) return { id: groupId };
    await step(auth.changeStandings, { groupId, changes: standingsOf([bindings]) });
    await step(websocket.narrowSockets, ofMembers(memberId));
    await step(position.commitBindings, {});
    return { id: groupId };
  },
);
