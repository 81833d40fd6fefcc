import type { BeginDeleteRequest, BeginDeleteResponse } from '#proto/musubi/member/v1/member.ts';
import { lockMember } from './lock-member.ts';

/** Locks the member for this job (DELETING). @throws as {@link lockMember} */
export const beginDelete = lockMember<BeginDeleteRequest, BeginDeleteResponse>('DELETING', () => () => ({ result: {} }));
