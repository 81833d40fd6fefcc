import type { ClientSession } from 'mongodb';
import { invalidFields, MusubiError } from '#platform/errors.ts';
import { jobOf } from '#platform/validation/id.ts';
import type {
  AdmitMembersRequest,
  AdmitMembersResponse,
  AllowAdditionsRequest,
  AllowAdditionsResponse,
  EndAdditionsRequest,
  EndAdditionsResponse,
} from '#proto/musubi/auth/v1/auth.ts';
import { type Authority, requirePermit } from '../access.ts';
import type { Auth } from '../auth.ts';
import { requireHeldThere } from '../groups/giving.ts';
import { requireGroup } from '../groups/store.ts';
import { type Author, authorOf, happened, type PermittedStep } from '../permitted.ts';
import { memberNotFound, permissionRevoked } from '../refusals.ts';
import type { AuthStep, Store } from '../store.ts';

// Many come into a group by one job, part by part, after its pivot. What allowed the job is kept, and each part asks whether it still does.

/** So many are one transaction that others do not feel. */
const MOST = 1_000;

/**
 * Lets a job add many to a group: its pivot. Who is no administrator brings others in only where it holds itself what all members have.
 *
 * @throws GROUP_NOT_FOUND, EXCEEDS_OWN_PERMISSIONS
 */
export const allowAdditions: PermittedStep<AllowAdditionsRequest, AllowAdditionsResponse, { jobId: string }> = {
  takesAway: false,
  async do({ store, session }, { operationId, groupId, permit }, author) {
    await requireBringsIn(store, session, author, groupId);
    const jobId = jobOf(operationId);
    await store.additions.insertOne({ _id: jobId, ...(permit === undefined ? {} : { permit }) }, { session });
    return { result: {}, kept: { jobId } };
  },
  async undo({ store, session }, { jobId }) {
    await store.additions.deleteOne({ _id: jobId }, { session });
  },
};

/**
 * Has the members of one part be in the group, and invited to it no more. Who is refused is answered: the others come in, and the audit names
 * them. Whom who adds may not read, is none to it (MEMBER_NOT_FOUND), also where it would not come in anyway. Once the job's permit does not hold any
 * more, all are refused (PERMISSION_REVOKED).
 */
export const admitMembers = (
  auth: Pick<Auth, 'store' | 'sessions' | 'policies' | 'permits' | 'audit'>,
): AuthStep<AdmitMembersRequest, AdmitMembersResponse> => ({
  // Policies may forbid something to members of a group.
  takesAway: true,
  async do({ store, session }, { operationId, groupId, memberIds, hinderedIds }) {
    const asked = [...memberIds, ...hinderedIds];
    if (asked.length > MOST) throw invalidFields([{ field: 'memberIds', message: `must have at most ${MOST} entries` }]);
    // Before it looks, as every pivot: what is taken away from here on waits for it.
    await store.pivots.begin(session);
    const by = await whoAdds(auth, session, jobOf(operationId), groupId);
    if ('code' in by) return { result: { refused: asked.map((memberId) => ({ memberId, code: by.code })) } };
    const author = by.authority && authorOf(auth, by.authority, session);
    const visible = author ? await author.readable(asked) : new Set(asked);
    const there = { _id: { $in: memberIds.filter((memberId) => visible.has(memberId)) } };
    const found = await store.members.find(there, { session, projection: { _id: 1 } }).toArray();
    const admitted = found.map(({ _id }) => _id);
    const change = { $addToSet: { groupIds: groupId }, $pull: { invitedTo: groupId }, $inc: { standings: 1 } };
    await store.members.updateMany({ _id: { $in: admitted } }, change, { session });
    if (by.authority && admitted.length > 0) {
      const changes = admitted.map((memberId) => ({ memberId }));
      await auth.audit.note(session, happened(by.authority, { operationId, groupId, changes }));
    }
    const isThere = new Set([...admitted, ...hinderedIds.filter((memberId) => visible.has(memberId))]);
    const refused = asked.filter((memberId) => !isThere.has(memberId));
    return { result: { refused: refused.map((memberId) => ({ memberId, code: memberNotFound().code })) } };
  },
  undo: 'impossible',
});

/** On whose permit members come into the group by this job, or the code by which nobody does any more. The authority is absent as an author is. */
async function whoAdds(
  auth: Pick<Auth, 'store' | 'sessions' | 'policies' | 'permits' | 'audit'>,
  session: ClientSession,
  jobId: string,
  groupId: string,
): Promise<{ authority: Authority | undefined } | { code: string }> {
  try {
    const allowed = await auth.store.additions.findOne({ _id: jobId }, { session });
    if (!allowed) throw permissionRevoked();
    const authority = allowed.permit === undefined ? undefined : await requirePermit(auth, allowed.permit);
    await requireBringsIn(auth.store, session, authority && authorOf(auth, authority, session), groupId);
    return { authority };
  } catch (error) {
    if (error instanceof MusubiError && !error.retryable) return { code: error.code };
    throw error;
  }
}

async function requireBringsIn(store: Store, session: ClientSession, author: Author | undefined, groupId: string): Promise<void> {
  const { positions } = await requireGroup(store, session, groupId);
  const ofAll = positions.filter(({ kind }) => kind === 'member');
  await requireHeldThere(
    author,
    groupId,
    ofAll.flatMap(({ permissions }) => permissions),
  );
}

/** The job adds nobody any more. */
export const endAdditions: AuthStep<EndAdditionsRequest, EndAdditionsResponse> = {
  takesAway: false,
  async do({ store, session }, { operationId }) {
    await store.additions.deleteOne({ _id: jobOf(operationId) }, { session });
    return { result: {}, kept: null };
  },
  undo: 'impossible',
};
