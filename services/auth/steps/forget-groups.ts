import { invalidFields } from '#platform/errors.ts';
import type { ForgetGroupsRequest, ForgetGroupsResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { AuthStep } from '../store.ts';

/** So many at once are one transaction that others do not feel. */
const MOST = 100;

/** Forgets groups that are removed, who was in them, and who was bound to their positions. */
export const forgetGroups: AuthStep<ForgetGroupsRequest, ForgetGroupsResponse> = {
  takesAway: false,
  async do({ store, session }, { groupIds, positionIds }) {
    if (groupIds.length > MOST) throw invalidFields([{ field: 'groupIds', message: `must have at most ${MOST} entries` }]);
    await store.groups.deleteMany({ _id: { $in: groupIds }, removedBy: { $exists: true } }, { session });
    const those = { $in: groupIds };
    await store.members.updateMany({ groupIds: those }, { $pull: { groupIds: those }, $inc: { standings: 1 } }, { session });
    await store.members.updateMany({ invitedTo: those }, { $pull: { invitedTo: those }, $inc: { standings: 1 } }, { session });
    const positions = { $in: positionIds };
    await store.members.updateMany(
      { positionIds: positions },
      { $pull: { positionIds: positions }, $inc: { standings: 1 } },
      { session },
    );
    return { result: {} };
  },
  undo: 'impossible',
};
