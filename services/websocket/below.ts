import type { Peers } from './identity.ts';

/** All groups below one, as Auth has them: a thousand at a time, and what it is in itself, if Auth knows that. @throws as `auth.ListGroupsBelow` */
export async function* groupsBelow(
  auth: Pick<Peers['auth'], 'listGroupsBelow'>,
  groupId: string,
): AsyncGenerator<{ afterId: string; groupIds: string[]; parentId: string | undefined }> {
  for (let afterId: string | undefined = ''; afterId !== undefined; ) {
    const { groupIds, parentId } = await auth.listGroupsBelow({ groupId, afterId });
    yield { afterId, groupIds, parentId };
    afterId = groupIds.at(-1);
  }
}
