import type { MembershipChange } from '#proto/musubi/group/v1/group.ts';
import { ofMembers } from './narrowing.ts';
import { positionTerms } from './position-terms.ts';
import { finish, pivot, type Saga } from './saga.ts';
import { services } from './step.ts';
import { noTerms } from './term.ts';

const { auth, group, position, term, websocket } = services;

/** How a member goes out of a group, whoever wants it: its positions there go with it, and their terms, in the same saga. */
export const ENDING_MEMBERSHIP = [
  group.beginChangeMembership,
  position.beginChangeBindings,
  pivot(auth.changeStandings),
  finish(websocket.narrowSockets, () => ({})),
  finish(term.setTerms, noTerms),
  finish(position.commitBindings, () => ({})),
  finish(group.commitMembership, () => ({})),
] as const;

interface Ended {
  groupId: string;
  memberId: string;
  change: MembershipChange;
  reason: string;
  /** Who leads the group in its place. */
  successorId: string | undefined;
  /** Who has it end. */
  byMemberId: string;
}

type Parts =
  | typeof group.beginChangeMembership
  | typeof position.beginChangeBindings
  | typeof auth.changeStandings
  | typeof websocket.narrowSockets
  | typeof term.setTerms
  | typeof position.commitBindings
  | typeof group.commitMembership;

export async function endMembership(
  step: Saga<Parts>['step'],
  { groupId, memberId, change, reason, successorId, byMemberId }: Ended,
): Promise<{ id: string }> {
  await step(group.beginChangeMembership, { groupId, memberId, change, reason, successorId });
  const { bindings, tenure, terms } = await step(position.beginChangeBindings, {
    groupId,
    memberId,
    bind: [],
    release: [],
    releaseAll: true,
    successorId,
    until: undefined,
    byMemberId,
  });
  const ofOthers = bindings.filter((one) => one.memberId !== memberId);
  const memberIds = [memberId, ...ofOthers.map((one) => one.memberId)];
  await step(auth.changeStandings, {
    groupId,
    changes: [
      { memberId, isMember: false, positions: { positionIds: [] } },
      ...ofOthers.map(({ memberId, positionIds }) => ({ memberId, isMember: undefined, positions: { positionIds } })),
    ],
    tenure,
  });
  await step(websocket.narrowSockets, ofMembers(...memberIds));
  if (terms.length > 0) await step(term.setTerms, positionTerms(terms));
  await step(position.commitBindings, {});
  await step(group.commitMembership, {});
  return { id: memberId };
}
