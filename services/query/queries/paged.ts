import type { z } from 'zod';
import { fromPageToken, type Page, toPageToken } from '../cursor.ts';
import { requirePageSize } from '../domain.ts';

/**
 * A page of a list that is ordered by name, or by another value, then ID.
 *
 * @param asked what the list is of: a page token is good for that and no other
 * @param cursorOf what the next page begins after
 * @param value what the value of a place can be; default: any name
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID
 */
export async function paged<Item>(
  asked: readonly string[],
  { pageSize, pageToken }: { pageSize: number; pageToken: string },
  read: (page: Page) => Promise<Item[]>,
  cursorOf: (item: Item) => { name: string; id: string },
  value?: z.ZodType<string>,
): Promise<{ items: Item[]; nextPageToken: string }> {
  const size = requirePageSize(pageSize);
  // One more than asked for tells whether there is a next page.
  const found = await read({ after: fromPageToken(asked, pageToken, value), limit: size + 1 });
  const items = found.slice(0, size);
  const last = items.at(-1);
  return { items, nextPageToken: found.length > size && last ? toPageToken(asked, cursorOf(last)) : '' };
}
