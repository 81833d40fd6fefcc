import type { BeginUpdateRequest, BeginUpdateResponse } from '#proto/musubi/member/v1/member.ts';
import { tidyChanges } from '../domain.ts';
import { lockMember } from './lock-member.ts';

/**
 * Locks the member for this job (UPDATING) and keeps the changes aside.
 *
 * The answer's `loginChanges` says whether Auth has to know; also of a change of case, or its login would be left behind.
 * @throws INVALID_MEMBER, and as {@link lockMember}
 */
export const beginUpdate = lockMember<BeginUpdateRequest, BeginUpdateResponse>('UPDATING', ({ changes }) => {
  const pendingChanges = tidyChanges(changes ?? {});
  return (member) => {
    const { loginId = member.loginId } = pendingChanges;
    return { pendingChanges, result: { loginChanges: loginId !== member.loginId } };
  };
});
