import type { BeginUpdateRequest, BeginUpdateResponse } from '#proto/musubi/member/v1/member.ts';
import { requireOwnLogin, tidyChanges } from '../domain.ts';
import { requireFitting, validatorOf } from '../member-schema.ts';
import { schemaOfMembers } from '../schema-store.ts';
import { lockMember } from './lock-member.ts';

/**
 * Locks the member for this job (UPDATING) and keeps the changes aside.
 *
 * The answer's `loginChanges` says whether Auth has to know; also of a change of case, or its login would be left behind.
 * @throws INVALID_MEMBER, and as {@link lockMember}
 */
export const beginUpdate = lockMember<BeginUpdateRequest, BeginUpdateResponse>('UPDATING', ({ changes }) => {
  const changesOf = tidyChanges(changes ?? {});
  return async (member, tx) => {
    const pendingChanges = changesOf(member);
    const changed = { ...member, ...pendingChanges };
    const { loginId, attributes } = changed;
    // One that was there before the rule stays until it, or the address, is changed.
    if (loginId !== member.loginId || changed.email !== member.email) requireOwnLogin(changed);
    // Whatever is changed: a member that the schema has left behind is mended with its next change.
    requireFitting(attributes, validatorOf(await schemaOfMembers(tx)));
    return { pendingChanges, result: { loginChanges: loginId !== member.loginId } };
  };
});
