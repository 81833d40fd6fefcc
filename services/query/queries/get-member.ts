import { callerGone } from '#platform/errors.ts';
import type { GetMemberRequest, MemberView } from '#proto/musubi/query/v1/query.ts';
import { memberNotFound } from '../refusals.ts';
import type { MemberLoader } from '../store.ts';

/**
 * A member that who asks may see.
 *
 * @throws MEMBER_NOT_FOUND, also for one whose registration is not finished, or that is not seen; CALLER_GONE
 */
export async function getMember(load: MemberLoader, request: GetMemberRequest, signal?: AbortSignal): Promise<MemberView> {
  if (signal?.aborted) throw callerGone();
  const member = request.memberId.includes('\0') ? undefined : await load(request);
  if (!member) throw memberNotFound();
  return member;
}
