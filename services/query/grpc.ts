import type { Handlers } from '#platform/grpc/server.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { awaitVersions } from './queries/await-versions.ts';
import { listCandidacies, listCandidates } from './queries/candidates.ts';
import { getMember } from './queries/get-member.ts';
import { getMemberSchema } from './queries/get-member-schema.ts';
import { listGroupMembers } from './queries/group-members.ts';
import { getGroup, listAncestors, listGroups } from './queries/groups.ts';
import { listLookalikes } from './queries/list-lookalikes.ts';
import { listMembers } from './queries/list-members.ts';
import { getPosition, listPositions } from './queries/positions.ts';
import { getPolicy, getRole, listPolicies, listRoles } from './queries/roles.ts';
import { getRoom, listRoomMembers, listRoomMessages, listRooms } from './queries/rooms.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
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
    getGroup: (request, { signal }) => getGroup({ db, searches }, request, signal),
    listGroups: (request, { signal }) => listGroups({ db, searches }, request, signal),
    listSubgroups: (request, { signal }) => listSubgroups({ db, turns: searches.turns }, request, signal),
    listAncestors: (request, { signal }) => listAncestors({ db, searches }, request, signal),
    listGroupMembers: (request, { signal }) => listGroupMembers({ db, searches }, request, signal),
    listCandidates: (request, { signal }) => listCandidates({ db, searches }, request, signal),
    listCandidacies: (request, { signal }) => listCandidacies(db, request, signal),
    getPosition: async (request, { signal }) => ({ position: await getPosition(db, request, signal) }),
    listPositions: (request, { signal }) => listPositions(db, request, signal),
    getRoom: async (request, { signal }) => ({ room: await getRoom(db, request, signal) }),
    listRooms: (request, { signal }) => listRooms(db, request, signal),
    listRoomMembers: (request, { signal }) => listRoomMembers(db, request, signal),
    listRoomMessages: (request, { signal }) => listRoomMessages(db, request, signal),
    awaitVersions: async (request, { signal }) => {
      await awaitVersions(visibility, request, signal);
      return {};
    },
  };
}
