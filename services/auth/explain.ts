import { MusubiError } from '#platform/errors.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { type Asked, authorize, check, groupOf, inTurns, withPolicies } from './access.ts';
import type { Auth } from './auth.ts';
import { type Tie, wouldDo } from './groups/ties.ts';
import type { Explanation } from './policies.ts';
import { aboutOf, type Question, questionOf, type Resource } from './question.ts';
import { groupNotFound, memberNotFound } from './refusals.ts';

// Why something is allowed to a member, or is not: nothing is done.

/**
 * What would be allowed to a member now, and by which policies: for an administrator who asks. Nothing is done, and a login
 * that is closed is looked at as if it was open.
 *
 * @throws as {@link authorize} for who asks; MEMBER_NOT_FOUND
 */
export async function simulate(
  auth: Auth,
  { accessToken, memberId, action, resource }: { accessToken: string; memberId: string } & Asked,
  signal?: AbortSignal,
): Promise<Explanation> {
  await authorize(auth, { accessToken, action: 'policy.simulate', resource: { type: 'System', id: '', ownerId: '' } }, signal);
  const asked = await askedAbout(auth, memberId, resource, [action]);
  const [explanation] = await explained(auth, asked, signal);
  return explanation as Explanation;
}

/**
 * What a member may do in a group, action by action, what decides that, and what would have to be so. Of itself every member asks who may read the group,
 * of others who may see its positions and its members, as it tells who is in it. What is granted or asked for in a group above is told, beyond that
 * it is allowed, to those only who may see as much there: of itself, who may read that one; of positions that the member does not hold, who may see
 * those of their group.
 *
 * @throws as {@link authorize} for who asks; GROUP_NOT_FOUND for a group that it may not read, MEMBER_NOT_FOUND
 */
export async function explainGroup(
  auth: Auth,
  { accessToken, memberId, groupId }: { accessToken: string; memberId: string; groupId: string },
  signal?: AbortSignal,
): Promise<(Explanation & { action: string; wouldDo: Tie[] })[]> {
  const { action, resource } = readingOf(groupId);
  const token = await authorize(auth, { accessToken, action, resource }, signal).catch((error: unknown) => {
    throw error instanceof MusubiError && error.code === 'PERMISSION_DENIED' ? groupNotFound() : error;
  });
  const toldOf = token.memberId === memberId ? [] : TOLD_OF_OTHERS;
  for (const needed of toldOf) await authorize(auth, { accessToken, action: needed, resource }, signal);
  const actions = auth.policies.actionsOn(resource.type);
  const asked = await askedAbout(auth, memberId, resource, actions);
  const explanations = await explained(auth, asked, signal);
  const would = await explainedOtherwise(auth, asked, explanations, signal);
  const above = [...new Set([...explanations.flatMap(groupsIn), ...would.flatMap((ties) => ties.map((tie) => tie.groupId))])];
  const checks = [action, ...TOLD_OF_OTHERS].flatMap((needed) => above.map((id) => ({ ...readingOf(id), action: needed })));
  const may = await check(auth, { accessToken, checks }, signal);
  const mayThere = (needed: Action, groupId: string): boolean =>
    may[checks.findIndex((one) => one.action === needed && one.resource.id === groupId)] ?? false;
  const isShown = ({ groupId }: { groupId: string }): boolean => [action, ...toldOf].every((needed) => mayThere(needed, groupId));
  const isAllShown = (tie: Tie): boolean =>
    isShown(tie) && (tie.positionId === undefined || mayThere('position.list', tie.groupId));
  return explanations.map(({ positions, policies, ...explanation }, at) => ({
    action: actions[at] ?? '',
    ...explanation,
    policies: policies.map(({ ties, ...policy }) => ({ ...policy, ties: ties.filter(isShown) })),
    positions: positions.filter(isShown),
    wouldDo: (would[at] ?? []).filter(isAllShown),
  }));
}

const groupsIn = ({ positions, policies }: Explanation): string[] =>
  [...positions, ...policies.flatMap(({ ties }) => ties)].map(({ groupId }) => groupId);

/** Of what is not allowed, what would do. */
async function explainedOtherwise(
  auth: Auth,
  { memberId, resource, actions, roles, held, facts }: AskedAbout,
  explanations: readonly Explanation[],
  signal?: AbortSignal,
): Promise<Tie[][]> {
  const { groups } = auth.store;
  const group = await groups.findOne({ _id: resource.id }, { projection: { path: 1 } });
  if (!group) return actions.map(() => []);
  const there = { _id: { $in: group.path }, removedBy: { $exists: false } };
  const path = await groups.find(there, { projection: { positions: 1 } }).toArray();
  const decide = async (question: Question) => (await auth.policies.decide(question, roles, async () => held)) === 'allowed';
  const of = async (action: string): Promise<Tie[]> => {
    const { allowed, forbidden } = explanations[actions.indexOf(action)] ?? { allowed: true, forbidden: false };
    return allowed ? [] : await wouldDo(questionOf({ memberId, action, resource }, facts), path, forbidden, decide);
  };
  return await inTurns(actions, of, signal);
}

/** What it takes, besides reading a group, to be told what others hold there. */
const TOLD_OF_OTHERS = ['position.list', 'group.list-members'] as const satisfies readonly Action[];

/** What is asked of a group before anything of it is shown. */
const readingOf = (groupId: string) => ({ action: 'group.read' as const, resource: groupOf(groupId) }) satisfies Asked;

/** What is asked of a member, with what is known of it: looked up once, so that all that is told is of one moment. */
type AskedAbout = Awaited<ReturnType<typeof askedAbout>>;

async function askedAbout(auth: Auth, memberId: string, resource: Resource, actions: readonly string[]) {
  const found = await auth.sessions.factsOfMember(memberId, aboutOf([resource], actions));
  if (!found) throw memberNotFound();
  const { roles, ...facts } = found;
  return { memberId, resource, actions, roles, facts, held: await withPolicies(auth, roles) };
}

async function explained(
  auth: Auth,
  { memberId, resource, actions, facts, held }: AskedAbout,
  signal?: AbortSignal,
): Promise<Explanation[]> {
  const explain = (action: string) => auth.policies.explain(questionOf({ memberId, action, resource }, facts), held);
  return await placed(auth, memberId, await inTurns(actions, explain, signal));
}

/** With the groups of positions that the member holds elsewhere. */
async function placed({ store }: Auth, memberId: string, explanations: readonly Explanation[]): Promise<Explanation[]> {
  const all = explanations.flatMap(({ policies }) => policies.flatMap(({ ties }) => ties));
  const ids = all.flatMap(({ groupId, positionId }) => (groupId === '' && positionId !== undefined ? [positionId] : []));
  if (ids.length === 0) return [...explanations];
  const member = await store.members.findOne({ _id: memberId }, { projection: { groupIds: 1 } });
  const those = { _id: { $in: [ROOT, ...(member?.groupIds ?? [])] }, 'positions.id': { $in: ids } };
  const found = await store.groups.find(those, { projection: { 'positions.id': 1 } }).toArray();
  const placeOf = (tie: Tie): Tie[] => {
    if (tie.groupId !== '') return [tie];
    const group = found.find(({ positions }) => positions.some(({ id }) => id === tie.positionId));
    return group ? [{ ...tie, groupId: group._id }] : [];
  };
  return explanations.map(({ policies, ...one }) => ({
    ...one,
    policies: policies.map(({ ties, ...policy }) => ({ ...policy, ties: ties.flatMap(placeOf) })),
  }));
}
