import { callerGone } from '#platform/errors.ts';
import type { MemberView } from '#proto/musubi/query/v1/query.ts';
import { memberNotFound } from '../refusals.ts';
import type { MemberLoader } from '../store.ts';

/** @throws MEMBER_NOT_FOUND, also for one whose registration is not finished; CALLER_GONE */
export async function getMember(members: MemberLoader, memberId: string, signal?: AbortSignal): Promise<MemberView> {
  if (signal?.aborted) throw callerGone();
  const member = memberId.includes('\0') ? undefined : await members.load(memberId);
  if (!member) throw memberNotFound();
  return member;
}
