import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { failedPrecondition } from '#platform/errors.ts';
import type { CommandInput, CommandName } from './commands.ts';
import { INPUTS } from './inputs.fixture.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { knowing, type Script, ScriptedServices, within } from './saga.fixture.ts';

// What is special about the sagas of groups: what they ask whom, and how much is removed at a time.

const test = anyTest as TestFn<{ sagas: HastySagas }>;
test.before(async (t) => {
  t.context = { sagas: await HastySagas.open() };
});
test.after.always((t) => t.context.sagas?.close());

async function run<C extends CommandName>(
  t: ExecutionContext<{ sagas: HastySagas }>,
  command: C,
  input: CommandInput<C>,
  script: Script = {},
): Promise<ScriptedServices> {
  const services = new ScriptedServices(script);
  await t.context.sagas.run(command, input, services);
  t.deepEqual(services.states.at(-1), 'COMPLETED');
  return services;
}

/** What a step was asked, without what follows from the run. */
function askedOf(services: ScriptedServices, name: string): Record<string, unknown> | undefined {
  const asked = services.received.find((one) => one.name === name)?.request;
  if (!asked) return undefined;
  const { operationId: _, permit: __, ...request } = asked;
  return request;
}

const GROUP = INPUTS['group.create'];
const { groupId } = GROUP;
/** What is past its pivot. */
const PIVOTS = {
  'position.create': 'auth.putPosition',
  'position.update': 'auth.putPosition',
  'position.delete': 'auth.removePosition',
  'position.bind': 'auth.changeStandings',
} as const;

test('Auth takes a group in with its positions, and with who creates it as their first holder', async (t) => {
  const positions = [{ positionId: 'p', kind: 'POSITION_KIND_LEADER', permissions: [] }];
  const script: Script = { 'position.addDefaultPositions': [{ written: [], positions }] };
  const services = await run(t, 'group.create', { ...GROUP, visibility: 'VISIBILITY_REQUEST' }, script);
  const { creatorId: leaderId } = GROUP;
  t.deepEqual(askedOf(services, 'group.addCreator'), { groupId, memberId: leaderId });
  t.deepEqual(askedOf(services, 'position.addDefaultPositions'), { groupId, leaderId });
  t.deepEqual(askedOf(services, 'auth.addGroup'), { groupId, parentId: 'root', findable: true, positions, leaderId });
});

test('only who is in it or invited finds a group that is by invitation; one that the system makes has nobody in it', async (t) => {
  const { creatorId: _, ...system } = GROUP;
  const services = await run(t, 'group.create', system);
  t.deepEqual(services.steps, ['beginCreateGroup', 'addDefaultPositions', 'addGroup', 'commitGroup']);
  t.like(askedOf(services, 'auth.addGroup'), { findable: false, leaderId: undefined });
});

test('with another visibility Auth changes who finds a group; sockets are narrowed only where others find it then', async (t) => {
  for (const [visibility, findable] of [
    ['VISIBILITY_OPEN', true],
    ['VISIBILITY_REQUEST', true],
    ['VISIBILITY_INVITATION', false],
  ] as const)
    for (const findableChanges of [true, false]) {
      const script: Script = { 'group.beginUpdateGroup': [{ visibility, findableChanges }] };
      const services = await run(t, 'group.update', { groupId, changes: { visibility } }, script);
      t.deepEqual(askedOf(services, 'auth.changeGroup'), { groupId, findable });
      t.deepEqual(askedOf(services, 'websocket.narrowSockets'), findableChanges ? { group: { groupId } } : undefined);
    }
  const services = await run(t, 'group.update', { groupId, changes: { name: 'Other' }, expectedVersion: 3 });
  t.deepEqual(services.steps, ['beginUpdateGroup', 'confirmPermit', 'commitGroup']);
  t.like(askedOf(services, 'group.beginUpdateGroup'), { groupId, name: 'Other', expectedVersion: 3 });
});

test('a moved group is where Auth finds it before queries do, and those who follow it or what is below are narrowed between', async (t) => {
  const byMemberId = 'by';
  const script: Script = {
    'group.beginMoveGroup': [{ leftParentId: 'left' }],
    'position.listEnding': [{ positionIds: ['ending'] }],
  };
  const services = await run(t, 'group.move', { groupId, parentId: 'root', byMemberId, expectedVersion: 4 }, script);
  t.deepEqual(services.steps, ['closeGroup', 'beginMoveGroup', 'listEnding', 'moveGroup', 'narrowSockets', 'commitGroup']);
  t.deepEqual(askedOf(services, 'group.beginMoveGroup'), { groupId, parentId: 'root', expectedVersion: 4 });
  t.deepEqual(askedOf(services, 'position.listEnding'), { memberId: byMemberId });
  t.deepEqual(askedOf(services, 'auth.moveGroup'), { groupId, parentId: 'root', endingIds: ['ending'] });
  t.deepEqual(askedOf(services, 'websocket.narrowSockets'), { group: { groupId, leftParentId: 'left' } });
});

test('what Position changes in a group is held in Group from before to after; to let go holds nothing', async (t) => {
  for (const [command, pivot] of Object.entries(PIVOTS) as [keyof typeof PIVOTS, string][]) {
    const services = await run(t, command, INPUTS[command]);
    t.deepEqual([services.steps[0], services.steps.at(-1)], ['holdGroup', 'releaseGroup'], command);
    t.deepEqual(askedOf(services, 'group.holdGroup'), { groupId });
    const archived = failedPrecondition('GROUP_ARCHIVED', 'the group is archived');
    const refused = new ScriptedServices({ 'group.holdGroup': [archived] });
    await t.context.sagas.run(command, INPUTS[command], refused);
    t.deepEqual(refused.effects, [], command);
    t.like(refused.end, { state: 'JOB_STATE_FAILED', error: { code: 'GROUP_ARCHIVED' } });
    const lost = knowing(['group.holdGroup', pivot]);
    await t.context.sagas.run('saga.recover', { command, aggregateId: groupId, undoing: false }, lost);
    t.is(lost.steps.at(-1), 'releaseGroup', 'also where its history is lost');
  }
  for (const command of ['position.unbind', 'position.end-term'] as const)
    t.false((await run(t, command, INPUTS[command])).steps.includes('holdGroup'));
});

test('who goes out of a group holds nothing there; who is named leads in its place; the sockets of both are narrowed', async (t) => {
  for (const [command, change] of [
    ['group.leave', 'MEMBERSHIP_CHANGE_LEAVE'],
    ['group.expel-member', 'MEMBERSHIP_CHANGE_EXPEL'],
  ] as const) {
    const { memberId, successorId } = INPUTS[command];
    const bindings = [
      { memberId, positionIds: [] },
      { memberId: successorId ?? '', positionIds: ['leading'] },
    ];
    const services = await run(t, command, INPUTS[command], { 'position.beginChangeBindings': [{ bindings, terms: [] }] });
    t.like(askedOf(services, 'group.beginChangeMembership'), { groupId, memberId, change, successorId });
    t.like(askedOf(services, 'position.beginChangeBindings'), { memberId, releaseAll: true, bind: [], successorId });
    t.like(askedOf(services, 'auth.changeStandings'), {
      changes: [
        { memberId, isMember: false, positions: { positionIds: [] } },
        { memberId: successorId, isMember: undefined, positions: { positionIds: ['leading'] } },
      ],
    });
    t.deepEqual(askedOf(services, 'websocket.narrowSockets'), { members: { memberIds: [memberId, successorId] } });
  }
});

test('a group is archived once Auth has let that be, for all that is below it', async (t) => {
  const services = await run(t, 'group.archive', { groupId, expectedVersion: 3 });
  t.deepEqual(services.steps, ['closeGroup', 'beginArchiveGroup', 'allowArchive', 'commitGroup']);
  t.deepEqual(askedOf(services, 'auth.allowArchive'), { groupId });
});

test('a set of tags is changed by what Group is asked alone, as far as the permit still allows it', async (t) => {
  const services = await run(t, 'group.change-tags', { groupId, change: 'TAGS_CHANGE_PUT', tag: 'sales' });
  t.deepEqual(services.steps, ['beginChangeTags', 'confirmPermit', 'commitGroup']);
  const asked = { groupId, change: 'TAGS_CHANGE_PUT', tag: 'sales', merge: false };
  t.deepEqual(askedOf(services, 'group.beginChangeTags'), asked);
  const renaming = { ...asked, change: 'TAGS_CHANGE_RENAME' as const, name: 'Sales', merge: true };
  t.deepEqual(askedOf(await run(t, 'group.change-tags', renaming), 'group.beginChangeTags'), renaming);
});

test('a tag is put on a group or a member by the same steps; a run that is lost past its pivot is finished', async (t) => {
  for (const carrier of [{ subgroupId: 's' }, { memberId: 'm' }]) {
    const services = await run(t, 'group.tag', { groupId, tag: 'sales', isOn: false, ...carrier });
    t.deepEqual(services.steps, ['beginTag', 'confirmPermit', 'commitTag']);
    t.deepEqual(askedOf(services, 'group.beginTag'), { groupId, tag: 'sales', isOn: false, ...carrier });
    t.deepEqual(askedOf(services, 'group.commitTag'), {});
  }
  const services = knowing(['group.beginTag', 'auth.confirmPermit']);
  await t.context.sagas.run('saga.recover', { command: 'group.tag', aggregateId: 'm', undoing: false }, services);
  t.deepEqual(services.steps.slice(-1), ['commitTag']);
});

test('what is deleted is removed in parts, one after the other: memberships first, then groups with their positions', async (t) => {
  let part = 0;
  const script: Script = {
    'group.countDoomed': [{ groups: 201, memberships: 1_001 }],
    'group.purgeGroups': () => ({ written: [], groupIds: [`g${++part}`] }),
    'position.removeAllPositions': (_, { groupIds }) => ({
      written: [],
      positionIds: (groupIds as string[]).map((id) => `p-${id}`),
    }),
  };
  const services = await run(t, 'group.delete', { groupId, cascade: true }, script);
  const partOf = ['purgeGroups', 'removeAllPositions', 'forgetGroups'];
  const steps = [
    'closeGroup',
    'beginDeleteGroup',
    'removeGroups',
    'narrowSockets',
    'countDoomed',
    'purgeMemberships',
    'purgeMemberships',
  ];
  t.deepEqual(services.steps, [...steps, ...partOf, ...partOf, ...partOf]);
  const asked = (name: string) => services.received.filter((one) => one.name === name).map(({ request }) => request);
  t.like(asked('group.purgeMemberships')[1], { groupId, limit: 1_000 });
  t.like(asked('group.purgeGroups')[2], { groupId, limit: 100 });
  t.deepEqual(
    asked('auth.forgetGroups').map(({ groupIds, positionIds }) => [groupIds, positionIds]),
    [
      [['g1'], ['p-g1']],
      [['g2'], ['p-g2']],
      [['g3'], ['p-g3']],
    ],
  );
  t.deepEqual(services.end?.progress, { done: 16, total: 16, step: 'done' });
});

test('a deletion whose history is lost past its pivot is finished', async (t) => {
  const services = knowing(['group.closeGroup', 'group.beginDeleteGroup', 'auth.removeGroups']);
  await t.context.sagas.run('saga.recover', { command: 'group.delete', aggregateId: groupId, undoing: false }, services);
  const done = ['narrowSockets', 'countDoomed', 'purgeMemberships', 'purgeGroups', 'removeAllPositions', 'forgetGroups'];
  t.deepEqual(services.steps.slice(-done.length), done);
  t.like(askedOf(services, 'group.countDoomed'), { groupId });
  t.true(
    within(services.received.find(({ name }) => name === 'group.countDoomed')?.request.operationId).startsWith('group.purge/'),
  );
});

const ASKED = { groupId, memberId: INPUTS['group.invite-member'].memberId };
const { until: UNTIL = '' } = INPUTS['group.invite-member'];

test('who is invited sees the group, until a term that is set before the invitation is shown', async (t) => {
  const script: Script = { 'group.beginChangeMembership': [{ nothingToDo: false, until: UNTIL }] };
  const services = await run(t, 'group.invite-member', INPUTS['group.invite-member'], script);
  t.deepEqual(services.steps, ['beginChangeMembership', 'changeStandings', 'narrowSockets', 'setTerms', 'commitMembership']);
  t.like(askedOf(services, 'group.beginChangeMembership'), {
    ...ASKED,
    change: 'MEMBERSHIP_CHANGE_INVITE',
    inviterId: INPUTS['group.invite-member'].byMemberId,
    until: UNTIL,
  });
  const invited = [{ memberId: ASKED.memberId, isInvited: true }];
  t.like(askedOf(services, 'auth.changeStandings'), { groupId, changes: invited });
  t.like(askedOf(services, 'term.setTerms'), {
    terms: [{ about: `invitation/${groupId}/${ASKED.memberId}`, until: UNTIL, command: 'group.expire-invitation' }],
  });
});

test('an invitation that is answered or taken back has no term any more; who declines does not see the group', async (t) => {
  for (const [command, change, after] of [
    ['group.accept-invitation', 'ACCEPT', { isMember: true }],
    ['group.decline-invitation', 'DECLINE_INVITATION', { isInvited: false }],
    ['group.withdraw-invitation', 'WITHDRAW_INVITATION', { isInvited: false }],
  ] as const) {
    const services = await run(t, command, ASKED);
    t.like(askedOf(services, 'group.beginChangeMembership'), { ...ASKED, change: `MEMBERSHIP_CHANGE_${change}` });
    t.like(askedOf(services, 'auth.changeStandings'), { changes: [{ memberId: ASKED.memberId, ...after }] });
    t.like(askedOf(services, 'term.setTerms'), { terms: [{ until: null }] }, command);
    t.true(services.steps.includes('narrowSockets'), command);
  }
});

test('time ends the invitation that it is about, and no other one', async (t) => {
  const services = await run(t, 'group.expire-invitation', { ...ASKED, until: UNTIL });
  t.deepEqual(services.steps, ['beginChangeMembership', 'changeStandings', 'narrowSockets', 'commitMembership']);
  t.like(askedOf(services, 'group.beginChangeMembership'), { change: 'MEMBERSHIP_CHANGE_EXPIRE_INVITATION', until: UNTIL });
  const nothing: Script = { 'group.beginChangeMembership': [{ nothingToDo: true }] };
  const late = await run(t, 'group.expire-invitation', { ...ASKED, until: UNTIL }, nothing);
  t.deepEqual(late.steps, ['beginChangeMembership']);
});

test('a request is begun with what is said, and changes nobody’s permissions until it is approved', async (t) => {
  for (const [command, change, reason] of [
    ['group.request-join', 'REQUEST', INPUTS['group.request-join'].message],
    ['group.decline-request', 'DECLINE_REQUEST', INPUTS['group.decline-request'].reason],
    ['group.withdraw-request', 'WITHDRAW_REQUEST', ''],
  ] as const) {
    const services = await run(t, command, INPUTS[command]);
    t.deepEqual(services.steps, ['beginChangeMembership', 'confirmPermit', 'commitMembership']);
    t.like(askedOf(services, 'group.beginChangeMembership'), { ...ASKED, change: `MEMBERSHIP_CHANGE_${change}`, reason });
  }
  const services = await run(t, 'group.approve-request', ASKED);
  t.deepEqual(services.steps, ['beginChangeMembership', 'changeStandings', 'narrowSockets', 'commitMembership']);
  t.like(askedOf(services, 'group.beginChangeMembership'), { change: 'MEMBERSHIP_CHANGE_APPROVE' });
  t.like(askedOf(services, 'auth.changeStandings'), { changes: [{ memberId: ASKED.memberId, isMember: true }] });
});

test('who is taken in is no version that is handed on: of all members they would be too many', async (t) => {
  const services = await run(t, 'group.take-in-members', { groupId: 'root' }, { 'member.countMembers': [{ members: 250 }] });
  t.is(services.steps.filter((step) => step === 'enterMembers').length, 3);
  t.is(services.steps.at(-1), 'noteTakenIn', 'no start has it done again');
  t.false(services.received.some(({ name }) => name === 'query.awaitVersions'));
});
