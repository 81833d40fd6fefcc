import test from 'ava';
import fc from 'fast-check';
import type { Condition } from '../conditions.ts';
import type { Role } from '../domain.ts';
import { notListable } from '../partial-evaluation.ts';
import { role } from '../policies.fixture.ts';
import { Policies } from '../policies.ts';
import type { Question } from '../question.ts';
import { type Everywhere, type Ground, nowhere, type Permission, type Place } from './group.ts';

/** Five groups: root above a and d, a above b, b above c. */
const PATHS: Readonly<Record<string, string[]>> = {
  root: ['root'],
  a: ['root', 'a'],
  b: ['root', 'a', 'b'],
  c: ['root', 'a', 'b', 'c'],
  d: ['root', 'd'],
};
const GROUPS = Object.keys(PATHS);
const HIDDEN = new Set(['b', 'd']);
const ACTION = 'group.list';
const POLICIES = new Policies();
let version = 0;

const permission = fc.record<Permission>({
  action: fc.constantFrom(ACTION, 'group.update'),
  reach: fc.constantFrom('here', 'subtree'),
});
const ground = fc.record({
  groupId: fc.constantFrom(...GROUPS),
  positions: fc.array(
    fc.record({
      id: fc.constantFrom('p1', 'p2'),
      kind: fc.constantFrom('member' as const, 'leader' as const, null),
      permissions: fc.array(permission, { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
});
const everywhere = fc.record<Everywhere>({
  grounds: fc.uniqueArray(ground, { selector: ({ groupId }) => groupId, maxLength: 3 }),
  invitedTo: fc.uniqueArray(fc.constantFrom(...GROUPS), { maxLength: 2 }),
});

const TERMS = [
  'resource.findable',
  'principal in resource.members',
  'principal in resource.leaders',
  'principal in resource.invited',
  'resource in Musubi::Group::"a"',
  'resource == Musubi::Group::"b"',
  'resource in [Musubi::Group::"c", Musubi::Group::"d"]',
  'principal in Musubi::Position::"p1"',
  'principal in Musubi::Role::"some"',
  'resource is Musubi::Group',
];
const { term } = fc.letrec<{ term: string }>((tie) => ({
  term: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(...TERMS),
    fc.tuple(tie('term'), tie('term')).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie('term'), tie('term')).map(([a, b]) => `(${a} || ${b})`),
    tie('term').map((a) => `!(${a})`),
  ),
}));
const policy = fc
  .tuple(fc.constantFrom('permit', 'permit', 'forbid'), fc.constantFrom('when', 'unless'), term)
  .map(([effect, word, condition]) => `${effect} (principal, action, resource is Musubi::Group) ${word} { ${condition} };`);

/** What is known of a group, and of who asks. */
const placeOf = (id: string, { grounds, invitedTo }: Everywhere): Place => ({
  id,
  findable: !HIDDEN.has(id),
  named: PATHS[id] ?? [],
  isInvited: invitedTo.includes(id),
  grounds: grounds.filter(({ groupId }) => PATHS[id]?.includes(groupId)),
});

const holds = (condition: Condition, id: string): boolean => {
  if (typeof condition === 'boolean') return condition;
  if ('allOf' in condition) return condition.allOf.every((one) => holds(one, id));
  if ('anyOf' in condition) return condition.anyOf.some((one) => holds(one, id));
  if ('not' in condition) return !holds(condition.not, id);
  if ('ids' in condition) return condition.ids.includes(id);
  if ('findable' in condition) return !HIDDEN.has(id);
  if ('in' in condition) return condition.in.some((one) => PATHS[id]?.includes(one.id));
  throw new Error(`no condition on a group: ${JSON.stringify(condition)}`);
};

function questions(all: Everywhere, memberId = 'm1') {
  const positionIds = all.grounds.flatMap(({ positions }) => positions.map((one) => one.id));
  const of = (place: Place): Question => ({
    memberId,
    action: ACTION,
    positionIds,
    resource: {
      type: 'Group',
      id: place.id,
      ownerId: '',
      within: place.named.map((id) => ({ type: 'Group', id })),
      place,
    },
  });
  const list: Question = {
    memberId,
    action: ACTION,
    positionIds,
    everywhere: all,
    resource: { type: 'Group', id: '', ownerId: '', within: [] },
  };
  return { of, list };
}

const roleOf = (texts: string[]): Role => role('some', texts, ++version);

test('a list shows exactly the groups of which each by itself is allowed', async (t) => {
  const seen = { shown: 0, hidden: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(policy, { maxLength: 4 }),
      fc.array(everywhere, { minLength: 1, maxLength: 3 }),
      async (texts, members) => {
        for (const text of texts) t.is(notListable(text), undefined, text);
        const held = roleOf(texts);
        // Several members one after the other: what is remembered of one says nothing of another.
        for (const [at, all] of members.entries()) {
          const { of, list } = questions(all, `m${at}`);
          const condition = await POLICIES.seen(list, [held], async () => [held]);
          for (const id of GROUPS) {
            const one = of(placeOf(id, all));
            const decision = await POLICIES.decide(one, [held], async () => [held]);
            const shown = typeof condition !== 'string' && holds(condition, id);
            seen[shown ? 'shown' : 'hidden']++;
            t.is(shown, decision === 'allowed', JSON.stringify({ texts, all, id, condition, decision }));
            const read = await POLICIES.seen(one, [held], async () => [held]);
            t.is(read === true, decision === 'allowed', 'of a group that is known all is decided');
          }
        }
      },
    ),
    { numRuns: 400 },
  );
  t.true(seen.shown > 500 && seen.hidden > 500, JSON.stringify(seen));
});

test('a position grants in its group, and below it where it reaches so far; a policy that forbids wins', async (t) => {
  const granted = async (all: Everywhere, ...texts: string[]) => {
    const held = roleOf(texts);
    const { of } = questions(all);
    const decisions = await Promise.all(
      GROUPS.map(async (id) => [id, await POLICIES.decide(of(placeOf(id, all)), [held], async () => [held])] as const),
    );
    return decisions.flatMap(([id, decision]) => (decision === 'allowed' ? [id] : [])).join(' ');
  };
  const at = (groupId: string, reach: Permission['reach'], action = ACTION): Everywhere => ({
    invitedTo: [],
    grounds: [{ groupId, positions: [{ id: 'p', kind: null, permissions: [{ action, reach }] }] }],
  });
  t.is(await granted(at('a', 'here')), 'a');
  t.is(await granted(at('a', 'subtree')), 'a b c');
  t.is(await granted(at('root', 'subtree')), 'root a b c d');
  t.is(await granted(at('a', 'subtree', 'group.update')), '');
  t.is(await granted({ invitedTo: [], grounds: [{ groupId: 'a', positions: [] }] }), '', 'who is in it only');
  const forbids = 'forbid (principal, action, resource in Musubi::Group::"b") unless { principal in resource.members };';
  t.is(await granted(at('a', 'subtree'), forbids), 'a');
  t.is(await granted(at('b', 'subtree'), forbids), 'b', 'its members are not forbidden');
});

test('relations are ordinary policies: members of this group may, leaders of any above may', async (t) => {
  const members =
    'permit (principal, action == Musubi::Action::"group.update", resource) when { principal in resource.members };';
  const leaders =
    'permit (principal, action == Musubi::Action::"group.expel-member", resource) when { principal in resource.leaders };';
  const held = roleOf([members, leaders]);
  const leading: Ground = { groupId: 'a', positions: [{ id: 'l', kind: 'leader', permissions: [] }] };
  const may = async (action: string, id: string, ...grounds: Ground[]): Promise<boolean> => {
    const all = { grounds, invitedTo: [] };
    const asked = { ...questions(all).of(placeOf(id, all)), action };
    return (await POLICIES.decide(asked, [held], async () => [held])) === 'allowed';
  };
  t.true(await may('group.update', 'a', { groupId: 'a', positions: [] }));
  t.false(await may('group.update', 'b', { groupId: 'a', positions: [] }), 'membership is not inherited');
  t.true(await may('group.expel-member', 'c', leading));
  t.true(await may('group.expel-member', 'a', leading));
  t.false(await may('group.expel-member', 'd', leading));
  t.false(await may('group.expel-member', 'a', { groupId: 'a', positions: [] }));
});

test('a group that Auth does not know is one to which nobody is anything', async (t) => {
  const held = roleOf(['permit (principal, action, resource is Musubi::Group) when { resource.findable };']);
  const { of } = questions({ grounds: [{ groupId: 'root', positions: [] }], invitedTo: [] });
  t.is(await POLICIES.decide(of(nowhere('z')), [held], async () => [held]), 'denied');
  t.is(await POLICIES.decide(of(nowhere('z')), [], async () => []), 'denied');
});
