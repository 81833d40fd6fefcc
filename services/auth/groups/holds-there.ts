import type { Auth } from '../auth.ts';
import { factsOf } from '../policy-facts.ts';
import { askedBelow, type Question, questionOf } from '../question.ts';
import { isTo, type Permission } from './group.ts';

/**
 * Whether a member holds all these permissions in a group, each as far as it reaches: one in the group only is allowed there; one for all
 * that is below is allowed in a group below of which nothing is known, and no policy of the member forbids it anywhere, as that may be below.
 * Where a policy makes exceptions, which may be below, too, only positions grant it for all that is below.
 */
export async function holdsThere(
  { sessions, policies, store }: Pick<Auth, 'sessions' | 'policies' | 'store'>,
  memberId: string,
  groupId: string,
  permissions: readonly Permission[],
): Promise<boolean> {
  const actions = permissions.map(({ action }) => action);
  const standing = await sessions.standingOf(memberId, { members: [], groups: [groupId], everywhere: false, actions });
  const place = standing?.places.get(groupId);
  if (!standing || !place) return false;
  const { roles: versions, ...facts } = standing;
  const roles = await store.roles.find({ _id: { $in: versions.map(({ _id }) => _id) } }).toArray();
  const all = roles.flatMap((role) => role.policies.map(({ cedar }) => factsOf(cedar)));
  const about = (action: string) => all.filter(({ actions }) => actions === undefined || actions.has(action));
  const isAllowed = async (question: Question): Promise<boolean> =>
    (await policies.decide(question, versions, async () => roles)) === 'allowed';
  const isAllowedBelow = async (question: Question): Promise<boolean> => {
    const { action, resource } = question;
    if (about(action).some(({ forbids }) => forbids)) return false;
    if (about(action).some(({ makesExceptions }) => makesExceptions))
      return resource.place !== undefined && isTo(resource.place, 'granted', action);
    return await isAllowed(question);
  };
  for (const { action, reach } of permissions) {
    const here = questionOf({ memberId, action, resource: { type: 'Group', id: groupId, ownerId: '' } }, facts);
    if (!(await (reach === 'here' ? isAllowed(here) : isAllowedBelow(askedBelow(here, `${groupId}/below`, false))))) return false;
  }
  return true;
}
