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

/** @throws GROUP_NOT_FOUND, also for one that is not seen; POSITION_NOT_FOUND, CALLER_GONE */
export async function getPosition(
  db: Database,
  { groupId, positionId, seen }: GetPositionRequest,
  signal?: AbortSignal,
): Promise<PositionView> {
  await requireGroup(db, groupId, seen, signal);
  return await requirePosition(db, groupId, positionId, signal);
}

/** Of a group that is there. @throws POSITION_NOT_FOUND, CALLER_GONE */
export async function requirePosition(
  db: Database,
  groupId: string,
  positionId: string,
  signal?: AbortSignal,
): Promise<PositionView> {
  const position = positionId.includes('\0') ? undefined : await findPosition(db, groupId, positionId, signal);
  if (!position) throw positionNotFound();
  return position;
}

/** A group has few of them. @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, CALLER_GONE; GROUP_NOT_FOUND, also for one that is not seen */
export async function listPositions(
  db: Database,
  { groupId, seen, ...page }: ListPositionsRequest,
  signal?: AbortSignal,
): Promise<ListPositionsResponse> {
  const listing = listingOf(page, POSITION_LIST);
  const { by } = listing.order;
  await requireGroup(db, groupId, seen, signal);
  const { items, nextPageToken } = await paged(
    ['\0positions', groupId, ...askedIn(listing)],
    page,
    (page) => listedPositions(db, groupId, { ...page, listing }, signal),
    (position) => ({ name: placed(position[by]), id: position.positionId }),
    placeRule(listing, POSITION_COLUMNS),
  );
  return { positions: items, nextPageToken };
}
