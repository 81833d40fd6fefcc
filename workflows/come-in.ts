import type { MembershipChange } from '#proto/musubi/group/v1/group.ts';
import { ofMembers } from './narrowing.ts';
import { finish, pivot, type Saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, websocket } = services;

/** How a member comes into a group, whoever wants it. */
export const COMING = [
  group.beginChangeMembership,
  pivot(auth.changeStandings),
  finish(websocket.narrowSockets, ofMembers),
  finish(group.commitMembership, () => ({})),
] as const;

type Parts =
  | typeof group.beginChangeMembership
  | typeof auth.changeStandings
  | typeof websocket.narrowSockets
  | typeof group.commitMembership;

export async function comeIn(
  step: Saga<Parts>['step'],
  { groupId, memberId, change }: { groupId: string; memberId: string; change: MembershipChange },
): Promise<{ id: string }> {
  await step(group.beginChangeMembership, { groupId, memberId, change, reason: '' });
  const changes = [{ memberId, isMember: true, positions: undefined }];
  await step(auth.changeStandings, { groupId, changes });
  // Policies may forbid something to members of a group.
  await step(websocket.narrowSockets, ofMembers(memberId));
  await step(group.commitMembership, {});
  return { id: memberId };
}
