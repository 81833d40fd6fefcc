import { type DecidingPolicy, TieKind, type Tie as TieMessage } from '#proto/musubi/auth/v1/auth.ts';
import { factsOf } from '../policy-facts.ts';
import type { Question } from '../question.ts';
import { type Ground, type Group, grantedBy, isTo, type Place, type Relation } from './group.ts';

// What a member is to groups, as far as policies ask for it: for who wants to know why something is allowed, or what would do.

/** `within` is of the group that is asked about: it is in this one, which a policy names. */
export interface Tie {
  kind: 'member' | 'leader' | 'invited' | 'holder' | 'within';
  /** Empty: of a position that the member holds elsewhere. */
  groupId: string;
  positionId?: string;
}

const leadingIn = ({ groupId, positions }: Ground): Tie[] =>
  positions.flatMap(({ id, kind }) => (kind === 'leader' ? [{ kind, groupId, positionId: id }] : []));

/** Of what a policy asks for, what who asks is to the group, and what the group is in. */
export function tiesAsked(cedar: string, { action, resource, positionIds = [] }: Question): Tie[] {
  const { place, within } = resource;
  if (!place) return [];
  const { strings } = factsOf(cedar);
  const { id, grounds } = place;
  const asked = (attribute: string, relation: Relation): boolean => strings.includes(attribute) && isTo(place, relation, action);
  const groupOf = (positionId: string): string =>
    grounds.find(({ positions }) => positions.some((one) => one.id === positionId))?.groupId ?? '';
  return [
    ...(asked('leaders', 'leader') ? grounds.flatMap(leadingIn) : []),
    ...(asked('members', 'member') ? [{ kind: 'member' as const, groupId: id }] : []),
    ...(asked('invited', 'invited') ? [{ kind: 'invited' as const, groupId: id }] : []),
    ...positionIds
      .filter((one) => strings.includes(one))
      .map((positionId) => ({ kind: 'holder' as const, groupId: groupOf(positionId), positionId })),
    ...within.filter((one) => strings.includes(one.id)).map((one) => ({ kind: 'within' as const, groupId: one.id })),
  ];
}

/** A question as it would be asked if the member was more to the group than it is. */
const asIf = (question: Question, place: Place, more: Partial<Place>): Question => ({
  ...question,
  resource: { ...question.resource, place: { ...place, ...more } },
});

/**
 * What a member would have to be, to be allowed something: a holder of one of the positions, of the group and of those that it is in, that grant it; or
 * what policies of its roles ask for. Where a policy forbids it, positions would not do.
 *
 * @param path the group with all that it is in
 * @param decide whether policies and positions allow it
 */
export async function wouldDo(
  question: Question,
  path: readonly Pick<Group, '_id' | 'positions'>[],
  forbidden: boolean,
  decide: (question: Question) => Promise<boolean>,
): Promise<Tie[]> {
  const { action, resource } = question;
  const { place } = resource;
  if (!place) return [];
  const everybody = path.map(({ _id, positions }) => ({ groupId: _id, positions }));
  const kinds = new Map(path.flatMap(({ positions }) => positions.map(({ id, kind }) => [id, kind])));
  const granting = forbidden ? [] : grantedBy({ ...place, grounds: everybody }, action);
  const ties = granting.map(({ positionId, groupId }): Tie => {
    return kinds.get(positionId) === 'member' ? { kind: 'member', groupId } : { kind: 'holder', groupId, positionId };
  });
  // By positions that permit nothing, so that only policies say something of it; and who leads a group above is not in this one.
  const as = (groupId: string, ...positions: Ground['positions']): Partial<Place> => ({
    grounds: [...place.grounds, { groupId, positions }],
  });
  const asked: [Tie['kind'], Partial<Place>][] = [
    ['leader', as(`${place.id}/above`, { id: '', kind: 'leader', permissions: [] })],
    ['member', as(place.id)],
    ['invited', { isInvited: true }],
  ];
  for (const [kind, more] of asked) {
    if (isTo(place, kind as Relation, action) || ties.some((one) => one.kind === kind && one.groupId === place.id)) continue;
    if (await decide(asIf(question, place, more))) ties.push({ kind, groupId: place.id });
  }
  return ties;
}

const KINDS = {
  member: TieKind.TIE_KIND_MEMBER,
  leader: TieKind.TIE_KIND_LEADER,
  invited: TieKind.TIE_KIND_INVITED,
  holder: TieKind.TIE_KIND_HOLDER,
  within: TieKind.TIE_KIND_WITHIN,
} as const;

export const tieOf = ({ kind, groupId, positionId }: Tie): TieMessage => ({ kind: KINDS[kind], groupId, positionId });

/** Policies as they are told. */
export const toldPolicies = (policies: readonly { roleId: string; policyId: string; ties: readonly Tie[] }[]): DecidingPolicy[] =>
  policies.map(({ roleId, policyId, ties }) => ({ roleId, policyId, ties: ties.map(tieOf) }));
