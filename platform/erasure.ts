import { ErasureServiceService } from '#proto/musubi/erasure/v1/erasure.ts';
import { invalidFields } from './errors.ts';
import { type Served, served } from './grpc/server.ts';

/** What was erased of one member in one place. */
export interface Erased {
  memberId: string;
  /** A table, a collection. */
  place: string;
  /** How many entries. */
  count: number;
}

/** What came of a call to erase. */
export interface Erasing {
  erased: Erased[];
  /** The members of whom something is left that only a later call can erase. */
  pending?: readonly string[];
}

/** That a member is to be erased. */
export interface Requested {
  memberId: string;
  /** By which Auth knows that it has asked for it itself. */
  proof: string;
}

/** How a service erases members. */
export interface Erasure {
  /** A page of the members that are to be erased, in the order of their IDs. Absent: it knows of none by itself. */
  list?(after: string, limit: number): Promise<Requested[]>;
  /** Erases what is here of these members. To do it again does no harm. */
  erase(memberIds: readonly string[]): Promise<Erasing>;
}

/** The most members of one call. */
export const ERASED_AT_ONCE = 500;

/** Serves how a service erases members. */
export function serveErasure({ list, erase }: Erasure): Served {
  return served(ErasureServiceService, {
    async listErased({ afterId, pageSize }) {
      if (pageSize < 1 || pageSize > ERASED_AT_ONCE)
        throw invalidFields([{ field: 'pageSize', message: `must be 1 to ${ERASED_AT_ONCE}` }]);
      return { requested: (await list?.(afterId, pageSize)) ?? [] };
    },
    async erase({ memberIds }) {
      if (memberIds.length > ERASED_AT_ONCE)
        throw invalidFields([{ field: 'memberIds', message: `must have at most ${ERASED_AT_ONCE} entries` }]);
      const { erased, pending = [] } = await erase(memberIds);
      return { erased: erased.filter(({ count }) => count > 0), pendingMemberIds: [...pending] };
    },
  });
}

/** How many entries of a place there were, member by member. @param memberIds the member of each entry */
export const countedBy = (place: string, memberIds: readonly string[]): Erased[] =>
  [...Map.groupBy(memberIds, (id) => id)].map(([memberId, entries]) => ({ memberId, place, count: entries.length }));
