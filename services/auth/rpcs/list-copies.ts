import { invalidFields } from '#platform/errors.ts';
import { PAGE, type Which } from '#platform/state.ts';
import type { ListLoginsResponse, ListRolesResponse } from '#proto/musubi/auth/v1/auth.ts';
import { findPage } from '../page.ts';
import { readLogins, type Store } from '../store.ts';

interface Asked {
  afterId: string;
  limit: number;
}

/** What Auth has of members: no password, no session. */
export async function listLogins(
  store: Store,
  { memberIds, ...asked }: Asked & { memberIds: string[] },
): Promise<ListLoginsResponse> {
  const logins = await readLogins(store, which(asked, memberIds));
  return { logins: logins.map(({ _id: memberId, ...login }) => ({ memberId, ...login })) };
}

export async function listRoles(
  { roles }: Store,
  { roleIds, ...asked }: Asked & { roleIds: string[] },
): Promise<ListRolesResponse> {
  const found = await findPage(roles, which(asked, roleIds)).toArray();
  return { roles: found.map(({ _id: roleId, policies, version }) => ({ roleId, policies: policies ?? [], version })) };
}

function which({ afterId, limit }: Asked, ids: readonly string[]): Which {
  if (ids.length > 0) {
    if (ids.length > PAGE) throw invalidFields([{ field: 'ids', message: `must have at most ${PAGE} entries` }]);
    return { ids };
  }
  if (limit < 1 || limit > PAGE) throw invalidFields([{ field: 'limit', message: `must be 1 to ${PAGE}` }]);
  return { after: afterId, limit };
}
