import { type FieldViolation, notFound } from '#platform/errors.ts';
import type { CodeOf } from '#platform/problems.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Gateway, RequestGateway } from '../gateway.ts';
import { isAllowed, isHidden, seenOrNone } from '../http/authorize.ts';
import type { Call, Resource } from '../http/route.ts';
import { group } from './groups/group-view.ts';

/** Of what is not there, there is no list, rather than an empty one; and who may not read it must not learn by that whether it is. */
export async function requireReadable(
  gateway: RequestGateway,
  accessToken: string,
  asked: { action: Action; resource: Resource },
  hiddenAs: CodeOf<'NOT_FOUND'>,
): Promise<void> {
  if (!(await isAllowed(gateway, { accessToken, ...asked }))) throw notFound(hiddenAs);
}

/**
 * Whom one may not read, one does nothing with: it is answered as if there was no such member, by the same look and at the same moment.
 *
 * @throws MEMBER_NOT_FOUND
 */
export async function requireReadableMember(
  gateway: Pick<Gateway, 'auth' | 'query'>,
  call: Pick<Call, 'accessToken' | 'ctx'>,
  memberId: string,
): Promise<void> {
  const seen = await seenOrNone(gateway, call, 'member.read', 'Member');
  await gateway.query.getMember({ memberId, seen });
}

/** How many members are looked for at the same time. */
const AT_ONCE = 10;

/**
 * The same of several, whom a request names in its body.
 *
 * @throws MEMBER_NOT_FOUND that names the fields of all of whom that is so
 */
export async function requireReadableMembers(
  gateway: Pick<Gateway, 'auth' | 'query'>,
  call: Pick<Call, 'accessToken' | 'ctx'>,
  memberIds: readonly string[],
): Promise<void> {
  if (memberIds.length === 0) return;
  const seen = await seenOrNone(gateway, call, 'member.read', 'Member');
  const isHere = async (memberId: string): Promise<boolean> => {
    try {
      await gateway.query.getMember({ memberId, seen });
      return true;
    } catch (error) {
      if (isHidden(error)) return false;
      throw error;
    }
  };
  const found: boolean[] = [];
  while (found.length < memberIds.length)
    found.push(...(await Promise.all(memberIds.slice(found.length, found.length + AT_ONCE).map(isHere))));
  const fields = found.flatMap((isFound, at): FieldViolation[] =>
    isFound ? [] : [{ in: 'body', field: `memberIds[${at}]`, code: 'NOT_FOUND', message: 'names none that is yours to see' }],
  );
  if (fields.length > 0) throw notFound('MEMBER_NOT_FOUND', undefined, { fields });
}

/** Of routes that are about a group: who may not read it is told of nothing that is about it. */
export const HIDDEN_GROUP = { hiddenAs: 'GROUP_NOT_FOUND', readBy: 'group.read' } as const;

/** @throws GROUP_NOT_FOUND */
export const requireReadableGroup = (gateway: RequestGateway, accessToken: string, groupId: string): Promise<void> =>
  requireReadable(gateway, accessToken, { action: 'group.read', resource: group(groupId) }, HIDDEN_GROUP.hiddenAs);
