import type { Handlers } from '#platform/grpc/server.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { awaitVersions } from './queries/await-versions.ts';
import { getMember } from './queries/get-member.ts';
import { getMemberSchema } from './queries/get-member-schema.ts';
import { listLookalikes } from './queries/list-lookalikes.ts';
import { listMembers, newSearches } from './queries/list-members.ts';
import { getPolicy, getRole, listPolicies, listRoles } from './queries/roles.ts';
import { memberLoader } from './store.ts';
import type { Visibility } from './visibility.ts';

/** musubi.query.v1.QueryService over the read models. */
export function queryHandlers(db: Database, visibility: Visibility): Handlers<typeof QueryServiceService> {
  const searches = newSearches();
  const members = memberLoader(db);
  return {
    getMember: async (request, { signal }) => ({ member: await getMember(members, request, signal) }),
    listMembers: (request, { signal }) => listMembers({ db, searches }, request, signal),
    getRole: async (request) => ({ role: await getRole(db, request) }),
    listRoles: (request) => listRoles(db, request),
    getPolicy: async (request) => ({ policy: await getPolicy(db, request) }),
    listPolicies: (request) => listPolicies(db, request),
    listLookalikes: (request, { signal }) => listLookalikes({ db, searches }, request, signal),
    getMemberSchema: () => getMemberSchema(db),
    awaitVersions: async (request, { signal }) => {
      await awaitVersions(visibility, request, signal);
      return {};
    },
  };
}
