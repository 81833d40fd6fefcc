import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import { MOST_POSITIONS } from '#platform/validation/position-fields.ts';
import type { BeginCreatePositionRequest, BeginCreatePositionResponse } from '#proto/musubi/position/v1/position.ts';
import { type Position, requireGroupId, tidyPosition } from '../domain.ts';
import { fromMessages, grantOf } from '../events.ts';
import { nameTaken, tooManyPositions } from '../refusals.ts';
import { countPositions, insertPosition, takeGroup, takeName } from '../store.ts';
import { type Kept, letGo } from './lock.ts';

/**
 * Makes a position that nobody sees yet, and keeps its name. Whether its author may give what it permits, Auth says.
 * @throws INVALID_POSITION, NAME_TAKEN, TOO_MANY_POSITIONS, GROUP_NOT_FOUND
 */
export const beginCreatePosition: Step<BeginCreatePositionRequest, BeginCreatePositionResponse, Kept> = {
  async do(tx, { operationId, groupId, positionId, ...given }) {
    requireGroupId(groupId);
    requireId('positionId', positionId);
    const { name = '', permissions = [] } = tidyPosition({ name: given.name, permissions: fromMessages(given.permissions) });
    const jobId = jobOf(operationId);
    await takeGroup(tx, groupId);
    if ((await countPositions(tx, groupId)) >= MOST_POSITIONS) throw tooManyPositions();
    const now = new Date();
    const position: Position = {
      ...{ positionId, groupId, name, kind: null, permissions, version: 0, createdAt: now, updatedAt: now },
      lockHolder: jobId,
      pending: { change: 'create' },
    };
    await takeName(tx, position, name);
    if (!(await insertPosition(tx, position))) throw nameTaken();
    return { result: { position: grantOf(position) }, kept: { positionId, jobId } };
  },
  undo: letGo,
};
