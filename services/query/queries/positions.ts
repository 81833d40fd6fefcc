import type { Database } from '#platform/postgres/database.ts';
import { POSITION_LIST } from '#platform/validation/group-lists.ts';
import type {
  GetPositionRequest,
  ListPositionsRequest,
  ListPositionsResponse,
  PositionView,
} from '#proto/musubi/query/v1/query.ts';
import { askedIn, listingOf, placed, placeRule } from '../listing.ts';
import { findPosition, listedPositions, POSITION_COLUMNS } from '../position-store.ts';
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
  const listing = listingOf(page, POSITION_LIST);
  const { by } = listing.order;
  await requireGroup(db, groupId, seen);
  const { items, nextPageToken } = await paged(
    ['\0positions', groupId, ...askedIn(listing)],
    page,
    (page) => listedPositions(db, groupId, { ...page, listing }),
    (position) => ({ name: placed(position[by]), id: position.positionId }),
    placeRule(listing, POSITION_COLUMNS),
  );
  return { positions: items, nextPageToken };
}
