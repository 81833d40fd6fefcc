import type { Route } from '../http/route.ts';
import { auditEventRoutes } from './audit-events.ts';
import { authRoutes } from './auth.ts';
import { documentRoutes } from './documents.ts';
import { candidateRoutes } from './groups/candidates.ts';
import { groupMemberRoutes } from './groups/group-members.ts';
import { groupPartRoutes } from './groups/group-parts.ts';
import { groupPermissionRoutes } from './groups/group-permissions.ts';
import { groupQueryRoutes } from './groups/group-queries.ts';
import { groupTagRoutes } from './groups/group-tags.ts';
import { groupRoutes } from './groups/groups.ts';
import { joiningRoutes } from './groups/joining.ts';
import { jobRoutes } from './jobs.ts';
import { loginHoldRoutes } from './login-holds.ts';
import { lookalikeRoutes } from './lookalikes.ts';
import { memberRoleRoutes } from './member-roles.ts';
import { memberSchemaRoutes } from './member-schema.ts';
import { memberRoutes } from './members.ts';
import { policyRoutes } from './policies.ts';
import { positionQueryRoutes } from './position-queries.ts';
import { positionCommandRoutes } from './positions.ts';
import { problemRoutes } from './problems.ts';
import { roleRoutes } from './roles.ts';
import { messageRoutes } from './rooms/messages.ts';
import { readRoutes } from './rooms/reads.ts';
import { roomMemberRoutes } from './rooms/room-members.ts';
import { roomQueryRoutes } from './rooms/room-queries.ts';
import { roomRoutes } from './rooms/rooms.ts';
import { sessionRoutes } from './sessions.ts';

/** Every route of the gateway. @param publicUrl where clients reach us, which the OpenAPI document names */
export function allRoutes(publicUrl?: string): Route[] {
  const others = [
    ...authRoutes(publicUrl),
    ...sessionRoutes,
    ...memberRoutes,
    ...roleRoutes,
    ...policyRoutes,
    ...memberRoleRoutes,
    ...groupRoutes,
    ...groupMemberRoutes,
    ...joiningRoutes,
    ...candidateRoutes,
    ...groupTagRoutes,
    ...groupPermissionRoutes,
    ...groupQueryRoutes,
    ...groupPartRoutes,
    ...positionCommandRoutes,
    ...positionQueryRoutes,
    ...roomRoutes,
    ...roomMemberRoutes,
    ...roomQueryRoutes,
    ...messageRoutes,
    ...readRoutes,
    ...memberSchemaRoutes,
    ...lookalikeRoutes,
    ...loginHoldRoutes,
    ...auditEventRoutes,
  ];
  const commands = others.flatMap(({ command }) => command ?? []);
  const routes = [...others, ...jobRoutes(commands), ...problemRoutes];
  return [...routes, ...documentRoutes(routes, publicUrl)];
}
