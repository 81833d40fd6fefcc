import type { ChangeGroupRequest, ChangeGroupResponse } from '#proto/musubi/auth/v1/auth.ts';
import { requireGroup } from '../groups/store.ts';
import type { PermittedStep } from '../permitted.ts';

/** Has a group be found by everybody, or not. @throws GROUP_NOT_FOUND */
export const changeGroup: PermittedStep<ChangeGroupRequest, ChangeGroupResponse, { groupId: string; findable: boolean }> = {
  takesAway: ({ findable }) => !findable,
  async do({ store, session }, { groupId, findable }) {
    const before = await requireGroup(store, session, groupId);
    await store.groups.updateOne({ _id: groupId }, { $set: { findable }, $inc: { version: 1 } }, { session });
    return { result: {}, kept: { groupId, findable: before.findable } };
  },
  async undo({ store, session }, { groupId, findable }) {
    await store.groups.updateOne({ _id: groupId }, { $set: { findable }, $inc: { version: 1 } }, { session });
  },
};
