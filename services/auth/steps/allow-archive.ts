import type { AllowArchiveRequest, AllowArchiveResponse } from '#proto/musubi/auth/v1/auth.ts';
import { requireHeldBelow } from '../groups/giving.ts';
import { requireGroup } from '../groups/store.ts';
import type { PermittedStep } from '../permitted.ts';

/**
 * Lets a group be archived: the pivot of that. Nothing is changed below it either, from then on, so who is no administrator must be allowed to archive what
 * is there, too. Of what is granted there nothing changes.
 *
 * @throws GROUP_NOT_FOUND, EXCEEDS_OWN_PERMISSIONS
 */
export const allowArchive: PermittedStep<AllowArchiveRequest, AllowArchiveResponse> = {
  takesAway: false,
  async do({ store, session }, { groupId }, author) {
    await requireGroup(store, session, groupId);
    await requireHeldBelow(store, session, author, groupId, 'group.archive');
    return { result: {}, kept: null };
  },
  undo: async () => undefined,
};
