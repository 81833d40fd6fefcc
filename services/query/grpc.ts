import type { Handlers } from '#platform/grpc/server.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { awaitVersions } from './queries/await-versions.ts';
import { getMember } from './queries/get-member.ts';
import { listMembers, newSearches } from './queries/list-members.ts';
import { memberLoader } from './store.ts';
import type { Visibility } from './visibility.ts';

/** musubi.query.v1.QueryService over the read models. */
export function queryHandlers(db: Database, visibility: Visibility): Handlers<typeof QueryServiceService> {
  const searches = newSearches();
  const members = memberLoader(db);
  return {
    getMember: async ({ memberId }, { signal }) => ({ member: await getMember(members, memberId, signal) }),
    listMembers: (request, { signal }) => listMembers({ db, searches }, request, signal),
    awaitVersions: async (request, { signal }) => {
      await awaitVersions(visibility, request, signal);
      return {};
    },
  };
}
