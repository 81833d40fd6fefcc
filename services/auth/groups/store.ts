import type { ClientSession } from 'mongodb';
import { ROOT } from '#platform/validation/group-fields.ts';
import { type Grant, PositionKind, Reach } from '#proto/musubi/position/v1/position.ts';
import { groupNotFound } from '../refusals.ts';
import type { Store } from '../store.ts';
import type { Group, Permission, Position } from './group.ts';

/** A group that is there. @throws GROUP_NOT_FOUND */
export async function requireGroup({ groups }: Pick<Store, 'groups'>, session: ClientSession, groupId: string): Promise<Group> {
  const group = await groups.findOne({ _id: groupId, removedBy: { $exists: false } }, { session });
  if (!group) throw groupNotFound();
  return group;
}

/** A group below which something is put. Of two transactions that move it, and that put something below it, one begins again. @throws GROUP_NOT_FOUND */
export async function requireParent(store: Pick<Store, 'groups'>, session: ClientSession, groupId: string): Promise<Group> {
  // The whole organisation is never moved: who puts something right below it waits for nobody.
  if (groupId === ROOT) return await requireGroup(store, session, groupId);
  const parent = await store.groups.findOneAndUpdate(
    { _id: groupId, removedBy: { $exists: false } },
    { $inc: { placed: 1 } },
    { session, returnDocument: 'after' },
  );
  if (!parent) throw groupNotFound();
  return parent;
}

const KINDS: Partial<Record<PositionKind, Position['kind']>> = {
  [PositionKind.POSITION_KIND_MEMBER]: 'member',
  [PositionKind.POSITION_KIND_LEADER]: 'leader',
};

/** A position as other services tell it. */
export const positionOf = ({ positionId, kind, permissions }: Grant): Position => ({
  id: positionId,
  kind: KINDS[kind] ?? null,
  permissions: permissions.map(({ action, reach }) => ({
    action,
    reach: reach === Reach.REACH_SUBTREE ? 'subtree' : 'here',
  })),
});

/** What the first have that the others have not, as far as it reaches. */
export const beyond = (permissions: readonly Permission[], others: readonly Permission[]): Permission[] =>
  permissions.filter(
    ({ action, reach }) => !others.some((one) => one.action === action && (one.reach === reach || one.reach === 'subtree')),
  );
