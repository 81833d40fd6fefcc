import { MusubiError } from '#platform/errors.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { type Asked, authorize, check, inTurns, withPolicies } from './access.ts';
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
  const [explanation] = await explained(auth, memberId, resource, [action], signal);
  return explanation as Explanation;
}

/**
 * What a member may do in a group, action by action, what decides that, and what would have to be so. Of itself every member asks who may read the group,
 * of others who may see its positions. What is granted or asked for in a group above, who may not read that one is told only in that it is
 * allowed; and of positions that the member does not hold only who may see those of their group.
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
  if (token.memberId !== memberId) await authorize(auth, { accessToken, action: 'position.list', resource }, signal);
  const actions = auth.policies.actionsOn(resource.type);
  const explanations = await explained(auth, memberId, resource, actions, signal);
  const would = await explainedOtherwise(auth, memberId, resource, { actions, explanations }, signal);
  const above = [...new Set([...explanations.flatMap(groupsIn), ...would.flatMap((ties) => ties.map((tie) => tie.groupId))])];
  const asked = above.flatMap((id) => [readingOf(id), { ...readingOf(id), action: 'position.list' }]);
  const may = await check(auth, { accessToken, checks: asked }, signal);
  const [read, listed] = [0, 1].map((at) => new Set(above.filter((_, index) => may[2 * index + at])));
  const isShown = (one: { groupId: string }): boolean => read?.has(one.groupId) ?? false;
  return explanations.map(({ positions, policies, ...explanation }, at) => ({
    action: actions[at] ?? '',
    ...explanation,
    policies: policies.map(({ ties, ...policy }) => ({ ...policy, ties: ties.filter(isShown) })),
    positions: positions.filter(isShown),
    wouldDo: (would[at] ?? []).filter((tie) => isShown(tie) && (tie.positionId === undefined || listed?.has(tie.groupId))),
  }));
}

const groupsIn = ({ positions, policies }: Explanation): string[] =>
  [...positions, ...policies.flatMap(({ ties }) => ties)].map(({ groupId }) => groupId);

/** Of what is not allowed, what would do. */
async function explainedOtherwise(
  auth: Auth,
  memberId: string,
  resource: Resource,
  { actions, explanations }: { actions: readonly string[]; explanations: readonly Explanation[] },
  signal?: AbortSignal,
): Promise<Tie[][]> {
  const { groups } = auth.store;
  const standing = await auth.sessions.standingOf(memberId, aboutOf([resource], actions));
  const group = await groups.findOne({ _id: resource.id }, { projection: { path: 1 } });
  if (!standing || !group) return actions.map(() => []);
  const { roles, ...facts } = standing;
  const there = { _id: { $in: group.path }, removedBy: { $exists: false } };
  const path = await groups.find(there, { projection: { positions: 1 } }).toArray();
  const held = await withPolicies(auth, roles);
  const decide = async (question: Question) => (await auth.policies.decide(question, roles, async () => held)) === 'allowed';
  const of = async (action: string): Promise<Tie[]> => {
    const { allowed, forbidden } = explanations[actions.indexOf(action)] ?? { allowed: true, forbidden: false };
    return allowed ? [] : await wouldDo(questionOf({ memberId, action, resource }, facts), path, forbidden, decide);
  };
  return await inTurns(actions, of, signal);
}

/** What is asked of a group before anything of it is shown. */
const readingOf = (groupId: string): Asked => ({ action: 'group.read', resource: { type: 'Group', id: groupId, ownerId: '' } });

async function explained(
  auth: Auth,
  memberId: string,
  resource: Resource,
  actions: readonly string[],
  signal?: AbortSignal,
): Promise<Explanation[]> {
  const standing = await auth.sessions.standingOf(memberId, aboutOf([resource], actions));
  if (!standing) throw memberNotFound();
  const { roles, ...facts } = standing;
  const held = await withPolicies(auth, roles);
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
