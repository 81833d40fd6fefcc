import type { Peer } from '#platform/grpc/client.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import type { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import type { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import type { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import type { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { createAuthActivities } from './auth.ts';
import { createCall } from './call.ts';
import { createJobActivities } from './job.ts';
import { createMemberActivities } from './member.ts';
import { createQueryActivities } from './query.ts';
import { createRoleActivities } from './role.ts';

/** The services that sagas call. */
export interface Peers {
  member: Peer<typeof MemberServiceService>;
  auth: Peer<typeof AuthServiceService>;
  role: Peer<typeof RoleServiceService>;
  job: Peer<typeof JobServiceService>;
  query: Peer<typeof QueryServiceService>;
}

/** Every activity, by service. Temporal knows them as `service.activity`. */
export function createActivities(peers: Peers) {
  const call = createCall(peers.job);
  return {
    member: createMemberActivities(peers.member, call),
    auth: createAuthActivities(peers.auth, call),
    role: createRoleActivities(peers.role, call),
    job: createJobActivities(peers.job, call),
    query: createQueryActivities(peers.query, call),
  };
}

export type Activities = ReturnType<typeof createActivities>;

/** Activities under the names that Temporal knows them by: `member.createMember`. */
export function byTemporalName(activities: Record<string, Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(activities).flatMap(([service, group]) =>
      Object.entries(group).map(([name, activity]) => [`${service}.${name}`, activity]),
    ),
  );
}
