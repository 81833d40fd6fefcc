import { z } from 'zod';
import { kept, PAGE_SIZE, pageSize as pageSizeRule } from '#platform/validation/fields.ts';
import { fromPageToken, toPageToken } from '#platform/validation/page-token.ts';
import type { ListHeldLoginsRequest, ListHeldLoginsResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Store } from '../store.ts';

/** The ID of a hold. */
const PLACE = z.tuple([z.uuid()]).transform(([id]) => id);

/**
 * A page of the names that are held, in no order that says anything; or the one of this name.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID
 */
export async function listHeldLogins(
  { heldLogins }: Store,
  { loginId, pageSize, pageToken }: ListHeldLoginsRequest,
): Promise<ListHeldLoginsResponse> {
  kept({ pageSize: pageSizeRule }, { pageSize });
  const size = pageSize || PAGE_SIZE.default;
  const list = ['held logins', loginId];
  const after = fromPageToken(list, pageToken, PLACE) ?? '';
  const found = await heldLogins.list({ after, limit: size + 1, ...(loginId === '' ? {} : { id: heldLogins.idOf(loginId) }) });
  const page = found.slice(0, size);
  const last = page.at(-1);
  return {
    heldLogins: page.map(({ _id: holdId, memberId, loginId, heldAt, until }) => ({ holdId, memberId, loginId, heldAt, until })),
    nextPageToken: found.length > size && last ? toPageToken(list, [last._id]) : '',
  };
}
