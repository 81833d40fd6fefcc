import type { Collection, Filter, FindCursor, WithId } from 'mongodb';
import type { Which } from '#platform/state.ts';

/** Documents by their IDs, or a page of all; in the order of their IDs. @param rest what else must be so of them */
export function findPage<Document extends { _id: string }>(
  collection: Collection<Document>,
  which: Which,
  rest: Filter<Document> = {},
): FindCursor<WithId<Document>> {
  const isOne = 'ids' in which ? { $in: [...which.ids] } : { $gt: which.after };
  const found = collection.find({ ...rest, _id: isOne } as Filter<Document>).sort({ _id: 1 });
  return 'ids' in which ? found : found.limit(which.limit);
}
