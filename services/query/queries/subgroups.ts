import { z } from 'zod';
import type { Turns } from '#platform/concurrency/turns.ts';
import type { Database } from '#platform/postgres/database.ts';
import { nameKey } from '#platform/validation/group-fields.ts';
import { GROUP_LIST } from '#platform/validation/group-lists.ts';
import { fromPageToken, toPageToken } from '#platform/validation/page-token.ts';
import type { GroupView, ListSubgroupsRequest, ListSubgroupsResponse } from '#proto/musubi/query/v1/query.ts';
import { part } from '../cursor.ts';
import { requireDepth, requireTreePageSize } from '../domain.ts';
import { type Below, GROUP_COLUMNS, type Subgroup, seekSeenTag, subgroups } from '../group-store.ts';
import { askedIn, listingOf, placed, placeRule } from '../listing.ts';
import { KNOWN, requireGroup } from './group-there.ts';

/** Less than what a message can have, 4 MiB, by as much as the last group may add. */
const MOST_BYTES = 3 * 2 ** 20;
/** Of a group, what is no text of its own: IDs, times and numbers. */
const OTHER_BYTES = 200;

const placeOf = (value: z.ZodType<string>) =>
  z.tuple([z.int().min(1), value, part]).transform(([depth, name, id]): Below => ({ depth, name, id }));

/**
 * A page of the groups below one that who asks may see: the nearest first, then by name or in another order, then ID. So none comes before what it is in, and
 * what is added while somebody turns the pages neither hides nor repeats another.
 *
 * Whole trees, and what is sought, take turns with searches, member by member: the rest of the queries must not wait for them.
 *
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID, GROUP_NOT_FOUND, CALLER_GONE; TOO_BUSY when too many wait
 */
export async function listSubgroups(
  { db, turns }: { db: Database; turns: Turns },
  { groupId, pageSize, pageToken, seen, tag, memberId, ...request }: ListSubgroupsRequest,
  signal?: AbortSignal,
): Promise<ListSubgroupsResponse> {
  const size = requireTreePageSize(pageSize);
  const depth = requireDepth(request.depth);
  const tagKey = nameKey(tag);
  const listing = listingOf(request, GROUP_LIST);
  const { by } = listing.order;
  const asked = ['\0subgroups', groupId, depth, tagKey, ...askedIn(listing)];
  const after = fromPageToken(asked, pageToken, placeOf(placeRule(listing, GROUP_COLUMNS)));
  const which = { groupId, depth, seen, listing, after };
  const read = async (): Promise<Subgroup[]> => {
    const tag = tagKey === '' ? undefined : await seekSeenTag(db, tagKey, seen, signal);
    // One more than asked for tells whether there is a next page.
    return await subgroups(db, { ...which, tag, limit: size + 1 }, signal);
  };
  // What is right below is found by an index; all that is further below is looked up and sorted for each page, and a tag is sought in all sets.
  const isSought = depth > 1 || tagKey !== '' || request.filter !== '';
  const inTurn = (): Promise<Subgroup[]> => (isSought ? turns.take(read, { name: memberId, signal }) : read());
  const found = groupId.includes('\0') ? [] : await inTurn();
  if (found.length === 0) await requireGroup(db, groupId, KNOWN, signal);
  const page = found.slice(0, Math.min(size, fitting(found)));
  const last = page.at(-1);
  const nextPageToken =
    page.length < found.length && last ? toPageToken(asked, [last.depth, placed(last[by]), last.groupId]) : '';
  return { groups: page.map(withoutDepth), nextPageToken };
}

function withoutDepth(subgroup: Subgroup): GroupView {
  const { depth: _, ...group } = subgroup;
  return group;
}

/** How many of them fit into a message. */
function fitting(groups: readonly Subgroup[]): number {
  let bytes = 0;
  const past = groups.findIndex(({ name, description, tags, carriedTags }) => {
    bytes += OTHER_BYTES + [name, description, ...tags, ...carriedTags].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    return bytes > MOST_BYTES;
  });
  return past < 0 ? groups.length : Math.max(1, past);
}
