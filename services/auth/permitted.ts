import type { ClientSession } from 'mongodb';
import { ADMIN } from '#platform/validation/access-fields.ts';
import { jobOf } from '#platform/validation/id.ts';
import { type Authority, readableOf, requirePermit } from './access.ts';
import type { Audited, Happened } from './audit/event.ts';
import type { Auth } from './auth.ts';
import type { Policy, Role } from './domain.ts';
import type { Permission } from './groups/group.ts';
import { holdsThere, leadsThere } from './groups/holds-there.ts';
import { otherTenures } from './groups/store.ts';
import type { Policies } from './policies.ts';
import { factsOf } from './policy-facts.ts';
import { exceedsOwn } from './refusals.ts';
import { type AuthStep, oneAfterTheOther, requireAdmin, type Store } from './store.ts';

/** On whose permit a step is done. */
export interface Author {
  /** Whether it is an administrator. */
  isAdmin: boolean;
  memberId: string;
  /** What it was allowed to do. */
  action: string;
  /** The roles that it holds now, with their policies. */
  roles(): Promise<Role[]>;
  /** Positions by which it gives nothing: what it gives would outlast them. Undefined: nothing is said of that. */
  without?: readonly string[] | undefined;
  /** Whether it holds all these permissions in a group now, each as far as it reaches. @param without as if it did not hold these positions */
  holdsThere(groupId: string, permissions: readonly Permission[], without?: readonly string[]): Promise<boolean>;
  /** The positions that it came to hold since it was allowed to, or holds for another time: what is said of its positions was perhaps not said of these. Undefined: it is not known which. */
  otherTenures(): Promise<string[] | undefined>;
  /** Whether it leads a group, or one that it is in, now. @param without as if it did not hold these positions */
  leadsThere(groupId: string, without?: readonly string[]): Promise<boolean>;
  /** Those of these members that it may read. */
  readable(memberIds: readonly string[]): Promise<ReadonlySet<string>>;
}

/** A step that is done on a permit. The author is absent where the system itself began the saga. */
export type PermittedStep<Request, Response, Kept = null> = Omit<AuthStep<Request, Response, Kept>, 'do'> & {
  do(
    ...args: [...Parameters<AuthStep<Request, Response, Kept>['do']>, author: Author | undefined, policies: Policies]
  ): Promise<Awaited<ReturnType<AuthStep<Request, Response, Kept>['do']>> & { audited?: AlsoAudited }>;
};

/** What the audit is told of what a step has done, besides what its request names. */
export interface AlsoAudited {
  resources: readonly Audited[];
  /** Of how many things it was done to, if that is more than one. */
  count?: number | undefined;
}

/** What the requests of steps name, besides what their permit is about. */
interface Naming {
  operationId: string;
  memberId?: string;
  roleId?: string;
  policyId?: string;
  policy?: { policyId: string } | undefined;
  holdId?: string;
  groupId?: string;
  parentId?: string;
  /** Of members in a group. */
  changes?: readonly { memberId: string }[];
  positionId?: string;
  position?: { positionId: string } | undefined;
}

/** What a step on a permit keeps: what its own undo needs, and what the audit was told. */
interface KeptWithAudit<Kept> {
  audited: Happened;
  before: Kept;
}

/**
 * A step that may be a saga's pivot: refused when its permit does not hold any more. What the saga does is written into the audit with it: from
 * here on it is done. Where the step is undone all the same, as nobody knew whether it was done, the audit is told that, too.
 */
export const permitted = <
  Request extends Naming & { permit?: string | undefined; closedMemberId?: string | undefined },
  Response,
  Kept,
>(
  auth: Pick<Auth, 'store' | 'sessions' | 'policies' | 'permits' | 'audit'>,
  { do: work, undo, takesAway }: PermittedStep<Request, Response, Kept>,
): AuthStep<Request, Response, Kept | KeptWithAudit<Kept>> => ({
  takesAway,
  do: async (tx, request) => {
    const { permit: sealed, closedMemberId } = request;
    if (sealed === undefined) return await work(tx, request, undefined, auth.policies);
    // Before it looks: what is taken away from here on waits for it.
    await auth.store.pivots.begin(tx.session);
    const authority = await requirePermit(auth, sealed, closedMemberId);
    const author = authorOf(auth, authority, tx.session);
    const { audited: also, ...done } = await work(tx, request, author, auth.policies).catch((error: unknown) => {
      if ('permit' in authority)
        auth.audit.refused(error, { action: authority.permit.action, actorId: authority.permit.memberId });
      throw error;
    });
    const { from, ...named } = happened(authority, request);
    const audited = also ? { ...named, count: also.count, resources: [...named.resources, ...also.resources] } : named;
    await auth.audit.note(tx.session, { ...audited, from });
    return { ...done, kept: { audited, before: done.kept as Kept } };
  },
  undo:
    undo === 'impossible'
      ? undo
      : async (tx, kept) => {
          if (!isAudited(kept)) return await undo(tx, kept);
          await auth.audit.note(tx.session, { ...kept.audited, outcome: 'UNDONE' });
          return await undo(tx, kept.before);
        },
});

const isAudited = <Kept>(kept: Kept | KeptWithAudit<Kept>): kept is KeptWithAudit<Kept> =>
  typeof kept === 'object' && kept !== null && 'audited' in kept;

export function authorOf(
  auth: Pick<Auth, 'store' | 'sessions' | 'policies'>,
  authority: Authority,
  session: ClientSession,
): Author | undefined {
  if ('command' in authority) return undefined;
  const { memberId, action } = authority.permit;
  const roleIds = authority.roles.map(({ _id }) => _id);
  const { tenures = authority.tenures } = authority.permit;
  return {
    isAdmin: roleIds.includes(ADMIN),
    memberId,
    action,
    roles: () => auth.store.roles.find({ _id: { $in: roleIds } }, { session }).toArray(),
    holdsThere: (groupId, permissions, without) => holdsThere(auth, memberId, groupId, permissions, without),
    otherTenures: () => otherTenures(auth.store, memberId, tenures),
    leadsThere: (groupId, without) => leadsThere(auth, memberId, groupId, without),
    readable: (memberIds) => readableOf(auth, memberId, memberIds),
  };
}

/** What the audit is told of a saga at its pivot. */
export function happened(authority: Authority, { operationId, ...request }: Naming): Happened {
  const jobId = jobOf(operationId);
  const named: Audited[] = [
    { type: 'Member', id: request.memberId ?? '' },
    { type: 'Role', id: request.roleId ?? '' },
    { type: 'Policy', id: request.policyId ?? request.policy?.policyId ?? '' },
    { type: 'LoginHold', id: request.holdId ?? '' },
    { type: 'Group', id: request.groupId ?? '' },
    { type: 'Group', id: request.parentId ?? '' },
    ...(request.changes ?? []).map(({ memberId }) => ({ type: 'Member', id: memberId })),
    { type: 'Position', id: request.positionId ?? request.position?.positionId ?? '' },
  ].filter(({ id }) => id !== '');
  if ('command' in authority) return { action: authority.command, jobId, resources: named };
  const { action, memberId: actorId, sessionId, resource, traceId, from } = authority.permit;
  // What had no ID when it was allowed has one by now.
  const asked = resource.id === '' ? [] : [{ type: resource.type, id: resource.id }];
  const others = named.filter(({ type, id }) => type !== resource.type || id !== resource.id);
  return { action, actorId, sessionId, jobId, traceId, from, resources: [...asked, ...others] };
}

/**
 * Nobody gives what they do not hold themselves: otherwise whoever may assign a role, or attach a policy, could get any permission. Nor is it
 * enough to hold a policy that tells its holders apart: it may permit to others what it does not permit to the author. And what is forbidden to the
 * author must be forbidden to whoever gets the rest.
 *
 * @param policies what is to be given
 * @param beside what who gets it holds then
 * @throws EXCEEDS_OWN_PERMISSIONS
 */
export async function requireHeld(
  author: Author | undefined,
  policies: readonly Policy[],
  beside: readonly Policy[] = policies,
): Promise<void> {
  if (!author || author.isAdmin || policies.length === 0) return;
  const own = (await author.roles()).flatMap((role) => role.policies);
  const held = new Set(own.map(({ policyId }) => policyId));
  const shared = new Set(beside.filter(({ cedar }) => !factsOf(cedar).tellsHoldersApart).map(({ policyId }) => policyId));
  const binding = own.map(({ policyId, cedar }) => ({ policyId, ...factsOf(cedar) }));
  const unshared = binding.filter(({ policyId, forbids }) => forbids && !shared.has(policyId));
  const mayGive = ({ policyId, cedar }: Policy): boolean => {
    const { forbids, tellsHoldersApart, actions } = factsOf(cedar);
    if (!held.has(policyId)) return false;
    return forbids || (!tellsHoldersApart && !unshared.some((one) => meet(one.actions, actions)));
  };
  if (!policies.every(mayGive)) throw exceedsOwn();
}

/** Whether two policies are about one action. Undefined: all. */
const meet = (some: ReadonlySet<string> | undefined, others: ReadonlySet<string> | undefined): boolean =>
  !some || !others || [...some].some((action) => others.has(action));

/**
 * After roles were made to forbid something: only an administrator binds one by that, and never the last one who is free.
 *
 * @throws EXCEEDS_OWN_PERMISSIONS, LAST_ADMIN
 */
export async function requireNotBound(
  store: Store,
  session: ClientSession,
  author: Author | undefined,
  roleIds: readonly string[],
): Promise<void> {
  await oneAfterTheOther(store, session);
  const bound = { $and: [{ roleIds: ADMIN }, { roleIds: { $in: [...roleIds] } }] };
  if (!(await store.members.findOne(bound, { session, projection: { _id: 1 } }))) return;
  requireAdministrator(author);
  await requireAdmin(store, session);
}

/** For what only administrators may. @throws EXCEEDS_OWN_PERMISSIONS */
export function requireAdministrator(author: Author | undefined): void {
  if (author && !author.isAdmin) throw exceedsOwn();
}
