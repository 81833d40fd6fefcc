import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { Route } from '../gateway/http/route.ts';
import { allRoutes } from '../gateway/routes/index.ts';
import type { Ground, Place } from '../services/auth/groups/group.ts';
import { Policies } from '../services/auth/policies.ts';
import type { RoleVersion } from '../services/auth/policy-sets.ts';
import { type Facts, NO_FACTS, questionOf, type Resource } from '../services/auth/question.ts';
import { CALLERS } from '../services/catalogue.ts';
import { MAY_CALL } from '../services/may-call.ts';
import { defaultPositions } from '../services/position/domain.ts';
import { BUILT_IN_ROLES } from '../services/role/built-in.ts';
import { frameActions } from '../services/websocket/frames.ts';

/**
 * The one table of who may do what, made from where each thing is declared: routes, frames of the socket, methods of
 * services. ACCESS.md shows it; `npm run access` writes that again.
 */

/** Whose the thing is that a request is about. */
export const WHOSE = ['own', "another's"] as const;
export type Whose = (typeof WHOSE)[number];

/** Who asks: nobody, or a member with one of the built-in roles. */
export const ASKERS = ['stranger', ...BUILT_IN_ROLES.map(({ roleId }) => roleId)] as const;
export type Asker = (typeof ASKERS)[number];

export type Allowed = Record<Whose, boolean>;
/** By who asks. */
type AllowedTo = ReadonlyMap<Asker, Allowed>;

const policies = new Policies();

/** The positions that everybody in a group holds, and those of who leads it. */
const groundOf = (groupId: string, leads: boolean): Ground => ({
  groupId,
  positions: defaultPositions(groupId)
    .filter(({ kind }) => leads || kind === 'member')
    .map(({ positionId, kind, permissions }) => ({ id: positionId, kind, permissions })),
});

/** A group of one's own is led by who asks, and has its ID here; others are hidden. */
function factsOf(groupId: string, memberId: string): Facts {
  const all = [groundOf(ROOT, false), groundOf(memberId, true)];
  const grounds = all.filter((ground) => [ROOT, groupId].includes(ground.groupId));
  const place: Place = { id: groupId, findable: groupId === ROOT, named: [], isInvited: false, grounds };
  return { ...NO_FACTS, places: new Map([[groupId, place]]), everywhere: { grounds: all, invitedTo: [] } };
}

/** What Cedar decides by a built-in role. */
async function decided(asker: Asker, route: Pick<Route, 'filtered'>, action: string, memberId: string, of: Resource) {
  const role = BUILT_IN_ROLES.find(({ roleId }) => roleId === asker);
  if (!role) return false;
  const held: RoleVersion[] = [{ _id: role.roleId, version: 1 }];
  const load = async () => [{ _id: role.roleId, version: 1, policies: [...role.policies] }];
  const question = questionOf({ memberId, action, resource: of }, factsOf(of.id, memberId));
  return route.filtered
    ? !['denied', 'unknown'].includes(String(await policies.seen(question, held, load)))
    : (await policies.decide(question, held, load)) === 'allowed';
}

async function allowedBy(decide: (asker: Asker, memberId: string, ownerId: string) => Promise<boolean>): Promise<AllowedTo> {
  const memberId = randomUUID();
  const rows = ASKERS.map(
    async (asker): Promise<[Asker, Allowed]> => [
      asker,
      { own: await decide(asker, memberId, memberId), "another's": await decide(asker, memberId, randomUUID()) },
    ],
  );
  return new Map(await Promise.all(rows));
}

/** Who may use a route. */
export const routeAllows = (route: Route): Promise<AllowedTo> =>
  allowedBy(async (asker, memberId, ownerId) => {
    if (route.public) return true;
    const params = Object.fromEntries(Object.keys(route.params.shape).map((name) => [name, ownerId]));
    const resource = route.resource({ params, body: {}, loaded: { memberId: ownerId }, claimedMemberId: memberId });
    const action = ownerId === memberId ? (route.selfAction ?? route.action) : route.action;
    return await decided(asker, route, action, memberId, { ownerId: '', ...resource });
  });

export type FrameType = keyof typeof frameActions;
export const FRAMES = Object.keys(frameActions) as FrameType[];

/** Who may send a frame about a job. */
export const frameAllows = (type: FrameType): Promise<AllowedTo> =>
  allowedBy(async (asker, memberId, ownerId) => {
    const action = frameActions[type];
    // What a stranger sends but `auth` ends its socket.
    if (action === null) return type === 'auth' || asker !== 'stranger';
    return await decided(asker, {}, action, memberId, { type: 'Job', id: randomUUID(), ownerId });
  });

const cell = ({ own = false, "another's": others = false }: Partial<Allowed> = {}): string =>
  own === others ? (own ? 'yes' : '–') : own ? 'own' : "others'";

const line = (...cells: string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: string[], rows: string[][]): string =>
  [line(...head), line(...head.map(() => '---')), ...rows.map((row) => line(...row))].join('\n');

/** The table as ACCESS.md has it. */
export async function accessDocument(): Promise<string> {
  const allows = (allowed: AllowedTo): string[] => ASKERS.map((asker) => cell(allowed.get(asker)));
  const routes = await Promise.all(
    allRoutes().map(async (route) => [
      `\`${route.method} ${route.path}\``,
      route.operationId,
      route.action
        ? [route.action, route.selfAction ?? []]
            .flat()
            .map((action) => `\`${action}\``)
            .join(', of oneself ')
        : 'public',
      ...allows(await routeAllows(route)),
    ]),
  );
  const frames = await Promise.all(
    FRAMES.map(async (type) => [
      `\`${type}\``,
      frameActions[type] ? `\`${frameActions[type]}\`` : '',
      ...allows(await frameAllows(type)),
    ]),
  );
  const methods = [...MAY_CALL].map(([path, may]) => [`\`${path}\``, CALLERS.filter((name) => may.has(name)).join(', ')]);
  const askers = ASKERS.map(String);
  return `# Who may do what

Made from the declarations by \`npm run access\`; \`test/access-matrix.test.ts\` asks the running system for each line.
*yes*: of every thing; *own*: of what is the member's own; –: never. More is permitted by roles and policies (\`/v1/roles\`, \`/v1/policies\`).

## Routes

${table(['Route', 'Operation', 'Permission', ...askers], routes)}

## Frames of the socket

${table(['Frame', 'Permission for each job', ...askers], frames)}

## Methods of services

Called by programs that prove who they are; by nobody else.

${table(['Method', 'Callers'], methods.sort())}
`;
}

if (import.meta.main) writeFileSync(new URL('../ACCESS.md', import.meta.url), await accessDocument());
