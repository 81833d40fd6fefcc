import { invalidFields } from '#platform/errors.ts';
import type { FindConcernedRequest, FindConcernedResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { Store } from '../store.ts';

/** So many are one look-up that others do not feel. */
const MOST = 1_000;

/**
 * Which of some groups a change of one concerns: itself, all that are below it, and the one that it is in, where is told of it. One that is
 * being removed still is where it was.
 *
 * @throws INVALID_ARGUMENT
 */
export async function findConcerned(
  { groups }: Pick<Store, 'groups'>,
  { groupId, amongIds }: FindConcernedRequest,
): Promise<FindConcernedResponse> {
  if (amongIds.length > MOST) throw invalidFields([{ field: 'amongIds', message: `must have at most ${MOST} entries` }]);
  const group = await groups.findOne({ _id: groupId }, { projection: { path: 1 } });
  if (!group) return { isKnown: false, groupIds: [] };
  const among = { _id: { $in: amongIds }, $or: [{ path: groupId }, { _id: group.path.at(-2) ?? groupId }] };
  const found = await groups.find(among, { projection: { _id: 1 } }).toArray();
  return { isKnown: true, groupIds: found.map(({ _id }) => _id) };
}
