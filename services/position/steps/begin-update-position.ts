import { requireId } from '#platform/validation/id.ts';
import type { BeginUpdatePositionRequest, BeginUpdatePositionResponse } from '#proto/musubi/position/v1/position.ts';
import { endingBefore, termsOf } from '../bindings.ts';
import { longest, tidyPosition } from '../domain.ts';
import { fromMessages, grantOf } from '../events.ts';
import { takeName } from '../store.ts';
import { lockPosition } from './lock.ts';

/**
 * Begins to give a position another name, or other permissions. By these something is given to all who hold it, for as long as they do.
 *
 * @throws INVALID_ARGUMENT, INVALID_POSITION, NAME_TAKEN, PERMISSION_REVOKED where who changes it is being deleted, and as {@link lockPosition}
 */
export const beginUpdatePosition = lockPosition<BeginUpdatePositionRequest, BeginUpdatePositionResponse>(
  async (tx, position, { byMemberId, ...given }) => {
    if (byMemberId !== undefined) requireId('byMemberId', byMemberId);
    const tidy = tidyPosition({ name: given.name, permissions: fromMessages(given.permissions?.permissions) });
    const { name = position.name, permissions = position.permissions } = tidy;
    await takeName(tx, position, name);
    const { groupId, positionId, kind } = position;
    // Everybody in the group holds that of its members.
    const held = kind === 'member' ? { until: null } : longest(await termsOf(tx, groupId, positionId));
    const endingSoonerIds = held && byMemberId !== undefined ? await endingBefore(tx, byMemberId, held.until) : [];
    return {
      pending: { change: 'update', name, permissions },
      result: { position: grantOf({ ...position, permissions }), tenure: { prolongedIds: [], shortens: false, endingSoonerIds } },
    };
  },
);
