import type { Database } from '#platform/postgres/database.ts';
import type {
  GetPositionRequest,
  ListPositionsRequest,
  ListPositionsResponse,
  PositionView,
} from '#proto/musubi/query/v1/query.ts';
import { findPosition, listedPositions } from '../position-store.ts';
import { positionNotFound } from '../refusals.ts';
import { requireGroup } from './group-there.ts';
import { paged } from './paged.ts';

/** @throws GROUP_NOT_FOUND, also for one that is not seen; POSITION_NOT_FOUND */
export async function getPosition(db: Database, { groupId, positionId, seen }: GetPositionRequest): Promise<PositionView> {
  await requireGroup(db, groupId, seen);
  return await requirePosition(db, groupId, positionId);
}

/** Of a group that is there. @throws POSITION_NOT_FOUND */
export async function requirePosition(db: Database, groupId: string, positionId: string): Promise<PositionView> {
  const position = positionId.includes('\0') ? undefined : await findPosition(db, groupId, positionId);
  if (!position) throw positionNotFound();
  return position;
}

/** @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, GROUP_NOT_FOUND, also for one that is not seen */
export async function listPositions(
  db: Database,
  { groupId, seen, ...page }: ListPositionsRequest,
): Promise<ListPositionsResponse> {
  await requireGroup(db, groupId, seen);
  const { items, nextPageToken } = await paged(
    ['\0positions', groupId],
    page,
    (page) => listedPositions(db, groupId, page),
    ({ name, positionId }) => ({ name, id: positionId }),
  );
  return { positions: items, nextPageToken };
}
