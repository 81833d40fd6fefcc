import type { Database } from '#platform/postgres.ts';
import type { MemberView } from '#proto/musubi/query/v1/query.ts';
import { memberNotFound } from '../refusals.ts';
import { findMember } from '../store.ts';

/** @throws MEMBER_NOT_FOUND, also for one whose registration is not finished; CALLER_GONE */
export async function getMember(db: Database, memberId: string, signal?: AbortSignal): Promise<MemberView> {
  const member = memberId.includes('\0') ? undefined : await findMember(db, memberId, signal);
  if (!member) throw memberNotFound();
  return member;
}
