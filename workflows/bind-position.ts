import { finish, pivot, saga } from './saga.ts';
import { standingsOf } from './standings.ts';
import { services } from './step.ts';

const { auth, position } = services;

export interface BindPositionInput {
  groupId: string;
  positionId: string;
  memberId: string;
}

/** Binds a member of a group to one of its positions, or leaves it as it was. */
export const bindPosition = saga(
  'position.bind',
  [[position.beginChangeBindings, pivot(auth.changeStandings), finish(position.commitBindings, () => ({}))]],
  async ({ step }, { groupId, positionId, memberId }: BindPositionInput) => {
    const change = { bind: [positionId], release: [], releaseAll: false };
    const { bindings, leavesNone } = await step(position.beginChangeBindings, { groupId, memberId, ...change });
    await step(auth.changeStandings, { groupId, changes: standingsOf(bindings), leavesNone });
    await step(position.commitBindings, {});
    return { id: groupId };
  },
);
