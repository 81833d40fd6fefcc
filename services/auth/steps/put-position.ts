import { isDeepStrictEqual } from 'node:util';
import { invalidFields } from '#platform/errors.ts';
import type { PutPositionRequest, PutPositionResponse } from '#proto/musubi/auth/v1/auth.ts';
import { isForAsLong, requireHeldThere } from '../groups/giving.ts';
import type { Permission, Position } from '../groups/group.ts';
import { beyond, positionOf, requireGroup } from '../groups/store.ts';
import type { Author, PermittedStep } from '../permitted.ts';
import { mayNotLessenLeaders } from '../refusals.ts';

interface Kept {
  groupId: string;
  positionId: string;
  /** Null: there was none. */
  before: Position | null;
}

/**
 * Puts a position of a group in place. Who is no administrator has it permit nothing more that it does not hold there itself, whoever
 * is bound to it, and for as long as those are who are. From leaders only who leads there for as long, and may for as long do what it takes from them, takes
 * something: otherwise who may change positions, stands in for a leader, or leads what is above by name, would rule a group that they lead by name, and have
 * others lead it that way.
 *
 * @throws GROUP_NOT_FOUND, EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED, PERMISSION_DENIED
 */
export const putPosition: PermittedStep<PutPositionRequest, PutPositionResponse, Kept> = {
  takesAway: true,
  async do({ store, session }, { groupId, position: given, tenure }, author) {
    if (!given) throw invalidFields([{ field: 'position', code: 'REQUIRED', message: 'is missing' }]);
    const { positions } = await requireGroup(store, session, groupId);
    const position = positionOf(given);
    const before = positions.find(({ id }) => id === position.id) ?? null;
    const giver = author && { ...author, without: tenure?.endingSoonerIds };
    await requireHeldThere(giver, groupId, beyond(position.permissions, before?.permissions ?? []));
    const taken = before?.kind === 'leader' ? beyond(before.permissions, position.permissions) : [];
    if (taken.length > 0 && !(await mayTake(giver, groupId, taken))) throw mayNotLessenLeaders();
    // It keeps its place, so that an undo leaves the list as it was.
    const after = before ? positions.map((one) => (one === before ? position : one)) : [...positions, position];
    // A name is not Auth's: who follows the group need not be asked about again for one.
    if (!isDeepStrictEqual(before, position))
      await store.groups.updateOne({ _id: groupId }, { $set: { positions: after }, $inc: { version: 1 } }, { session });
    return { result: {}, kept: { groupId, positionId: position.id, before } };
  },
  async undo({ store, session }, { groupId, positionId, before }) {
    const group = await store.groups.findOne({ _id: groupId }, { session });
    if (!group) return;
    const at = group.positions.findIndex(({ id }) => id === positionId);
    const others = group.positions.filter(({ id }) => id !== positionId);
    const positions = before ? others.toSpliced(at === -1 ? others.length : at, 0, before) : others;
    await store.groups.updateOne({ _id: groupId }, { $set: { positions }, $inc: { version: 1 } }, { session });
  },
};

/**
 * Whether the author leads a group, may change its positions, and may do all this there, for as long as those lead it from whom it takes that.
 *
 * @throws PERMISSION_REVOKED
 */
async function mayTake(author: Author | undefined, groupId: string, taken: readonly Permission[]): Promise<boolean> {
  if (!author || author.isAdmin) return true;
  const held: Permission[] = [{ action: author.action, reach: 'here' }, ...taken];
  return await isForAsLong(
    author,
    async (without) => (await author.leadsThere(groupId, without)) && (await author.holdsThere(groupId, held, without)),
  );
}
