import type { Auth } from '../auth.ts';
import { factsOf } from '../policy-facts.ts';
import { askedBelow, type Facts, NOTHING_ASKED, type Question, questionOf } from '../question.ts';
import { type Ground, isTo, type Permission } from './group.ts';

/**
 * Whether a member holds all these permissions in a group, each as far as it reaches: one in the group only is allowed there; one for all
 * that is below is allowed in a group below of which nothing is known, and no policy of the member forbids it anywhere, as that may be below.
 * Where a policy makes exceptions, which may be below, too, only positions grant it for all that is below.
 *
 * @param without positions that count as not held
 */
export async function holdsThere(
  { sessions, policies, store }: Pick<Auth, 'sessions' | 'policies' | 'store'>,
  memberId: string,
  groupId: string,
  permissions: readonly Permission[],
  without: readonly string[] = [],
): Promise<boolean> {
  const actions = permissions.map(({ action }) => action);
  const found = await sessions.factsOfMember(memberId, { members: [], groups: [groupId], everywhere: false, actions });
  if (!found?.places.has(groupId)) return false;
  const { roles: versions, ...all } = found;
  const facts = factsWithout(all, without);
  const roles = await store.roles.find({ _id: { $in: versions.map(({ _id }) => _id) } }).toArray();
  const said = roles.flatMap((role) => role.policies.map(({ cedar }) => factsOf(cedar)));
  const about = (action: string) => said.filter(({ actions }) => actions === undefined || actions.has(action));
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

/** Whether a member leads a group, or one that it is in. @param without positions that count as not held */
export async function leadsThere(
  { sessions }: Pick<Auth, 'sessions'>,
  memberId: string,
  groupId: string,
  without: readonly string[] = [],
): Promise<boolean> {
  const found = await sessions.factsOfMember(memberId, { ...NOTHING_ASKED, groups: [groupId], actions: [] });
  const place = found && factsWithout(found, without).places.get(groupId);
  return place !== undefined && isTo(place, 'leader', '');
}

/** What would be known of a member if it did not hold some positions. */
function factsWithout({ places, positionIds, ...facts }: Facts, without: readonly string[]): Facts {
  if (without.length === 0) return { ...facts, places, positionIds };
  const isLeft = (id: string): boolean => !without.includes(id);
  const left = ({ groupId, positions }: Ground): Ground => ({ groupId, positions: positions.filter(({ id }) => isLeft(id)) });
  return {
    ...facts,
    places: new Map([...places].map(([id, place]) => [id, { ...place, grounds: place.grounds.map(left) }])),
    positionIds: positionIds.filter(isLeft),
  };
}
