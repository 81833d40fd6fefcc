import { notFound } from '#platform/errors.ts';
import type { CodeOf } from '#platform/problems.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Gateway, RequestGateway } from '../gateway.ts';
import { isAllowed, seenOrNone } from '../http/authorize.ts';
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

/** Of routes that are about a group: who may not read it is told of nothing that is about it. */
export const HIDDEN_GROUP = { hiddenAs: 'GROUP_NOT_FOUND', readBy: 'group.read' } as const;

/** @throws GROUP_NOT_FOUND */
export const requireReadableGroup = (gateway: RequestGateway, accessToken: string, groupId: string): Promise<void> =>
  requireReadable(gateway, accessToken, { action: 'group.read', resource: group(groupId) }, HIDDEN_GROUP.hiddenAs);
