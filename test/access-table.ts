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

/** Whose the thing is that a request is about. A group of one's own is one that one leads. */
export const WHOSE = ['own', "another's"] as const;
/** What who asks is to a group of another: it is in it, everybody finds it, or it is invited to it; one of `another's` is hidden. */
export const OF_GROUPS = ['joined', 'found', 'invited'] as const;
export type Whose = (typeof WHOSE)[number] | (typeof OF_GROUPS)[number] | typeof ROOT;

/** Who asks: nobody, or a member with one of the built-in roles. */
export const ASKERS = ['stranger', ...BUILT_IN_ROLES.map(({ roleId }) => roleId)] as const;
export type Asker = (typeof ASKERS)[number];

export type Allowed = Partial<Record<Whose, boolean>>;
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

/** What is known of a group to which who asks is this, in which it is if it is in any. */
function factsOf(groupId: string, whose: Whose): Facts {
  const leads = whose === 'own';
  const its = leads || whose === 'joined' ? [groundOf(groupId, leads)] : [];
  const all = [groundOf(ROOT, false), ...(groupId === ROOT || groupId === '' ? [] : its)];
  const place: Place = {
    ...{ id: groupId, findable: groupId === ROOT || whose === 'found', named: [], isInvited: whose === 'invited' },
    grounds: all.filter((ground) => [ROOT, groupId].includes(ground.groupId)),
  };
  return { ...NO_FACTS, places: new Map([[groupId, place]]), everywhere: { grounds: all, invitedTo: [] } };
}

/** What Cedar decides by a built-in role. */
async function decided(
  asker: Asker,
  route: Pick<Route, 'filtered'>,
  { action, memberId, whose, of }: { action: string; memberId: string; whose: Whose; of: Resource },
) {
  const role = BUILT_IN_ROLES.find(({ roleId }) => roleId === asker);
  if (!role) return false;
  const held: RoleVersion[] = [{ _id: role.roleId, version: 1 }];
  const load = async () => [{ _id: role.roleId, version: 1, policies: [...role.policies] }];
  const question = questionOf({ memberId, action, resource: of }, factsOf(of.id, whose));
  return route.filtered
    ? !['denied', 'unknown'].includes(String(await policies.seen(question, held, load)))
    : (await policies.decide(question, held, load)) === 'allowed';
}

async function allowedBy(
  kinds: readonly Whose[],
  decide: (asker: Asker, whose: Whose, memberId: string) => Promise<boolean>,
): Promise<AllowedTo> {
  const memberId = randomUUID();
  const rows = ASKERS.map(async (asker): Promise<[Asker, Allowed]> => {
    const allowed = kinds.map(async (whose) => [whose, await decide(asker, whose, memberId)] as const);
    return [asker, Object.fromEntries(await Promise.all(allowed))];
  });
  return new Map(await Promise.all(rows));
}

/** A route; where it has an action of its own for who does it to itself, once for that, and once for the others. */
export interface Line {
  route: Route;
  /** Undefined: that is the same. */
  isSelf?: boolean;
}
export const linesOf = (route: Route): Line[] =>
  route.selfAction
    ? [
        { route, isSelf: true },
        { route, isSelf: false },
      ]
    : [{ route }];

/** What who asks can be to the thing that a route is about. */
export const whoseOf = ({ params, namedInBody }: Route): Whose[] => [
  ...WHOSE,
  ...('groupId' in params.shape || namedInBody ? OF_GROUPS : []),
  // What is made has no path of its own: it may be made in any group, also in that which everybody is in.
  ...(namedInBody ? ([ROOT] as const) : []),
];

/** Whether the member that a request names is the one who asks. */
export const namesItself = ({ isSelf }: Line, whose: Whose): boolean => isSelf ?? whose !== "another's";

/** What a request brings that says by its body what it is about. */
export const bodyOf = ({ namedInBody }: Pick<Route, 'namedInBody'>, groupId: string): object =>
  namedInBody ? { name: 'x', parentId: groupId } : {};

/** Who may use a route. */
export const routeAllows = (line: Line): Promise<AllowedTo> =>
  allowedBy(whoseOf(line.route), async (asker, whose, memberId) => {
    const { route, isSelf } = line;
    if (route.public) return true;
    const ownerId = namesItself(line, whose) ? memberId : randomUUID();
    const others = Object.keys(route.params.shape).map((name) => [name, name === 'groupId' ? randomUUID() : ownerId]);
    const resource = route.resource({
      ...{ params: Object.fromEntries(others), body: bodyOf(route, whose === ROOT ? ROOT : randomUUID()) },
      ...{ loaded: { memberId: ownerId }, claimedMemberId: memberId },
    });
    const action = isSelf ? (route.selfAction ?? route.action) : route.action;
    return await decided(asker, route, { action, memberId, whose, of: { ownerId: '', ...resource } });
  });

export type FrameType = keyof typeof frameActions;
export const FRAMES = Object.keys(frameActions) as FrameType[];
/** Of what a topic is. */
export type TopicKind = keyof typeof frameActions.subscribe;
/** Of what the topics are, or the things, that a frame names; undefined: it needs no permission. */
export function kindsOf(type: FrameType): (TopicKind | undefined)[] {
  const actions = frameActions[type];
  return actions ? (Object.keys(actions) as TopicKind[]) : [undefined];
}

/** What who asks can be to what a topic is of. */
export const whoseOfTopics = (kind: TopicKind | undefined): Whose[] => [...WHOSE, ...(kind === 'group' ? OF_GROUPS : [])];

/** Who may send a frame. @param kind of those about topics, of what these are */
export const frameAllows = (type: FrameType, kind?: TopicKind): Promise<AllowedTo> =>
  allowedBy(whoseOfTopics(kind), async (asker, whose, memberId) => {
    const actions = frameActions[type];
    // What a stranger sends but `auth` ends its socket.
    const action = (actions as Readonly<Partial<Record<TopicKind, string>>> | null)?.[kind ?? 'job'];
    if (!kind || !action) return type === 'auth' || asker !== 'stranger';
    // Who is in a room, Chat says.
    if (kind === 'room' && whose !== 'own') return false;
    const ownerId = kind === 'job' ? (whose === 'own' ? memberId : randomUUID()) : '';
    const of = { type: RESOURCES[kind], id: randomUUID(), ownerId };
    return await decided(asker, {}, { action, memberId, whose, of });
  });

const RESOURCES = { job: 'Job', group: 'Group', room: 'Room' } as const satisfies Record<TopicKind, string>;

function cell(allowed: Allowed = {}): string {
  const may = Object.entries(allowed).flatMap(([whose, is]) => (is ? [whose === "another's" ? "others'" : whose] : []));
  return may.length === 0 ? '–' : may.length === Object.keys(allowed).length ? 'yes' : may.join(', ');
}

const line = (...cells: string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: string[], rows: string[][]): string =>
  [line(...head), line(...head.map(() => '---')), ...rows.map((row) => line(...row))].join('\n');

/** The table as ACCESS.md has it. */
export async function accessDocument(): Promise<string> {
  const allows = (allowed: AllowedTo): string[] => ASKERS.map((asker) => cell(allowed.get(asker)));
  const routes = await Promise.all(
    allRoutes()
      .flatMap(linesOf)
      .map(async (one) => {
        const { route, isSelf } = one;
        const action = isSelf ? route.selfAction : route.action;
        return [
          `\`${route.method} ${route.path}\``,
          route.operationId,
          action ? `\`${action}\`${isSelf ? ', of oneself' : ''}` : 'public',
          ...allows(await routeAllows(one)),
        ];
      }),
  );
  const frames = await Promise.all(
    FRAMES.flatMap((type) => kindsOf(type).map((kind) => ({ type, kind }))).map(async ({ type, kind }) => [
      `\`${type}\``,
      kind ? `\`${kind}:ID\`` : '',
      kind ? `\`${(frameActions[type] as Readonly<Partial<Record<TopicKind, string>>>)[kind]}\`` : '',
      ...allows(await frameAllows(type, kind)),
    ]),
  );
  const methods = [...MAY_CALL].map(([path, may]) => [`\`${path}\``, CALLERS.filter((name) => may.has(name)).join(', ')]);
  const askers = ASKERS.map(String);
  return `# Who may do what

Made from the declarations by \`npm run access\`; \`test/access-matrix.test.ts\` asks the running system for each line.
*yes*: of every thing; *own*: of what is the member's own, as a group that it leads, or a room that it is in; of groups of others: *joined*: of one that it is in, *found*: of one that
everybody finds, *invited*: of one that it is invited to, *root*: of the whole organisation; –: never. More is permitted by roles and policies (\`/v1/roles\`, \`/v1/policies\`).

## Routes

${table(['Route', 'Operation', 'Permission', ...askers], routes)}

## Frames of the socket

${table(['Frame', 'Topic', 'Permission for each', ...askers], frames)}

What is said in the topic of a group, each hears as far as it may read it: of memberships and bindings by \`group.list-members\`, of positions by \`position.list\`, of
who asks to be let in by \`group.list-requests\`, of who is invited by \`group.list-invitations\`.

## Methods of services

Called by programs that prove who they are; by nobody else.

${table(['Method', 'Callers'], methods.sort())}
`;
}

if (import.meta.main) writeFileSync(new URL('../ACCESS.md', import.meta.url), await accessDocument());
