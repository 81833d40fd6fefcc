import type { BeginRestoreGroupRequest, BeginRestoreGroupResponse } from '#proto/musubi/group/v1/group.ts';
import { groupNotArchived } from '../refusals.ts';
import { lockGroup } from './lock.ts';

/** Begins to take a group out of the archive. @throws GROUP_NOT_ARCHIVED, and as {@link lockGroup} */
export const beginRestoreGroup = lockGroup<BeginRestoreGroupRequest>({
  tree: 'part',
  ofArchived: true,
})<BeginRestoreGroupResponse>(async (_, { group: { archivedAt } }) => {
  if (archivedAt === null) throw groupNotArchived();
  return { pending: { change: 'restore' }, result: {} };
});
