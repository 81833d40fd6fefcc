import test from 'ava';
import { type BindingsTruth, type PositionTruth, type StandingTruth, standingDrift, strayDrift } from './group-drift.ts';

// In what Auth's copies of standings differ: that such differences are found in the system, and put right, is in test/reconcile/reconcile-groups.test.ts.

const STANDING = { groupId: 'g', memberId: 'm', version: 7, isMember: false, isInvited: false, positionIds: [] as string[] };
const member = { loginId: 'm', isActive: true, changing: false };
const group = { parentId: 'root', findable: true, changing: false };
const none: BindingsTruth = { positionIds: [], changing: false };
const position = (groupId: string, changing = false): PositionTruth => ({
  groupId,
  grant: { positionId: 'p', kind: 'POSITION_KIND_UNSPECIFIED', permissions: [] },
  changing,
});
const NOWHERE = new Map<string, PositionTruth>();

const membership = (given: Partial<NonNullable<StandingTruth['membership']>> = {}) => ({
  isMember: false,
  isInvited: false,
  changing: false,
  ...given,
});
const truth = (given: Partial<StandingTruth> = {}): StandingTruth => ({
  ...{ member, group, membership: undefined, bindings: none },
  ...given,
});
const kindsOf = (copy: Partial<typeof STANDING>, given: Partial<StandingTruth> = {}) =>
  standingDrift({ ...STANDING, ...copy }, truth(given), NOWHERE)?.kinds;

test('who is invited is compared: what is too much, and what is missing', (t) => {
  t.deepEqual(kindsOf({ isInvited: true }, { membership: membership() }), ['extra-invitation']);
  t.deepEqual(kindsOf({}, { membership: membership({ isInvited: true }) }), ['missing-invitation']);
  t.is(kindsOf({ isInvited: true }, { membership: membership({ isInvited: true }) }), undefined);
  t.deepEqual(
    standingDrift({ ...STANDING, isInvited: true }, truth({ membership: membership({ isMember: true }) }), NOWHERE),
    {
      groupId: 'g',
      memberId: 'm',
      version: 7,
      kinds: ['missing-membership', 'extra-invitation'],
      isMember: true,
      isInvited: false,
    },
    'who came in is invited no more',
  );
  t.deepEqual(kindsOf({ isMember: true }, { membership: membership({ isInvited: true }) }), [
    'extra-membership',
    'missing-invitation',
  ]);
});

test('nothing of an invitation is compared while a job is at it, nor taken away where Group knows nothing of it', (t) => {
  t.is(kindsOf({ isInvited: true }, { membership: membership({ changing: true }) }), undefined);
  t.is(kindsOf({ isInvited: true }, { group: { ...group, changing: true } }), undefined);
  t.is(kindsOf({ isInvited: true }, { member: { ...member, changing: true } }), undefined);
  const lost = standingDrift({ ...STANDING, isInvited: true }, truth(), NOWHERE);
  t.like(lost, { kinds: ['extra-invitation'], isUntold: true });
  t.is(lost?.isInvited, undefined);
});

test('of positions that no group of Auth has, those go that Position does not know either', (t) => {
  const copy = { ...STANDING, groupId: '', positionIds: ['p', 'q'] };
  const known = new Map([['p', position('g')]]);
  t.deepEqual(strayDrift(copy, member, known), {
    ...{ groupId: '', memberId: 'm', version: 7, kinds: ['unknown-position'], positionIds: ['p'] },
  });
  const both = new Map([...known, ['q', position('h', true)] as const]);
  t.is(strayDrift(copy, member, both), undefined, 'those that it knows, or is making or deleting, stay');
  t.is(strayDrift(copy, { ...member, changing: true }, NOWHERE), undefined);
  t.is(strayDrift(copy, undefined, NOWHERE), undefined);
});
