import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { CommandInput, CommandName } from './commands.ts';
import { INPUTS } from './inputs.fixture.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { type Script, ScriptedServices } from './saga.fixture.ts';

// What the sagas of groups and positions hand on: from who asks to the services, and from one of these to another.

type Context = { sagas: HastySagas };
const test = anyTest as TestFn<Context>;
test.before(async (t) => {
  t.context = { sagas: await HastySagas.open() };
});
test.after.always((t) => t.context.sagas?.close());

/** What each step was asked, by its name: the last time, where it was more than once. */
async function asked<C extends CommandName>(
  t: ExecutionContext<Context>,
  command: C,
  input: CommandInput<C>,
  script: Script = {},
): Promise<Record<string, Record<string, unknown>>> {
  const services = new ScriptedServices(script);
  await t.context.sagas.run(command, input, services);
  t.is(services.states.at(-1), 'COMPLETED', command);
  return Object.fromEntries(services.received.map(({ name, request }) => [name, request]));
}

const { groupId, positionId, memberId } = INPUTS['position.bind'];
const BY = 'by';

test('the version that the client saw is held to by every command that changes what is there', async (t) => {
  const expectedVersion = 7;
  const begun = {
    'group.beginUpdateGroup': await asked(t, 'group.update', { ...INPUTS['group.update'], expectedVersion }),
    'group.beginMoveGroup': await asked(t, 'group.move', { ...INPUTS['group.move'], expectedVersion }),
    'group.beginArchiveGroup': await asked(t, 'group.archive', { ...INPUTS['group.archive'], expectedVersion }),
    'group.beginRestoreGroup': await asked(t, 'group.restore', { ...INPUTS['group.restore'], expectedVersion }),
    'group.beginDeleteGroup': await asked(t, 'group.delete', { ...INPUTS['group.delete'], expectedVersion }),
    'position.beginUpdatePosition': await asked(t, 'position.update', { ...INPUTS['position.update'], expectedVersion }),
    'position.beginDeletePosition': await asked(t, 'position.delete', { ...INPUTS['position.delete'], expectedVersion }),
  };
  for (const [step, all] of Object.entries(begun)) t.is(all[step]?.expectedVersion, expectedVersion, step);
});

const TENURE = { prolongedIds: ['p1'], shortens: true, endingSoonerIds: ['p2'], leaders: { memberIds: ['m'] } };
const BOUND = { bindings: [{ memberId, positionIds: ['p1'] }], tenure: TENURE, terms: [] };

test('Position learns who gives something, and Auth for how long that is given; who is concerned asks Auth again', async (t) => {
  const script: Script = { 'position.beginChangeBindings': [BOUND] };
  const of = {
    'position.bind': await asked(t, 'position.bind', { ...INPUTS['position.bind'], byMemberId: BY }, script),
    'position.unbind': await asked(t, 'position.unbind', INPUTS['position.unbind'], script),
    'group.leave': await asked(t, 'group.leave', INPUTS['group.leave'], script),
    'group.expel-member': await asked(t, 'group.expel-member', { ...INPUTS['group.expel-member'], byMemberId: BY }, script),
  };
  for (const [command, all] of Object.entries(of)) {
    t.like(all['auth.changeStandings'], { tenure: TENURE }, command);
    t.like(all['websocket.narrowSockets'], { members: { memberIds: [memberId] } }, command);
  }
  const givers = Object.values(of).map((all) => all['position.beginChangeBindings']?.byMemberId);
  t.deepEqual(givers, [BY, undefined, memberId, BY], 'who is let go from something is given nothing');

  const grant = { positionId, kind: 'POSITION_KIND_UNSPECIFIED', permissions: [] };
  const update = { 'position.beginUpdatePosition': [{ position: grant, tenure: TENURE }] };
  const updated = await asked(t, 'position.update', { ...INPUTS['position.update'], byMemberId: BY }, update);
  t.like(updated['position.beginUpdatePosition'], { byMemberId: BY });
  t.like(updated['auth.putPosition'], { groupId, position: grant, tenure: TENURE });
});

test('who permits something else by a position narrows those who hold it: of that of all members those who are in the group', async (t) => {
  const holders = { memberIds: ['m1', 'm2'], tooMany: false };
  const inside = { memberIds: ['m2', 'm3'], tooMany: false };
  const update = (kind: string, more: Script = {}) =>
    asked(t, 'position.update', INPUTS['position.update'], {
      'position.beginUpdatePosition': [{ position: { positionId, kind, permissions: [] }, tenure: TENURE }],
      'position.listHolders': [holders],
      'group.listInside': (_, { groupId: of }) => (of === groupId ? inside : { memberIds: [], tooMany: false }),
      ...more,
    });
  const narrowed = async (...given: Parameters<typeof update>) => {
    const { operationId: _, ...request } = (await update(...given))['websocket.narrowSockets'] ?? {};
    return request;
  };
  t.deepEqual(await narrowed('POSITION_KIND_UNSPECIFIED'), { members: { memberIds: ['m1', 'm2'] } });
  t.deepEqual(await narrowed('POSITION_KIND_MEMBER'), { members: { memberIds: ['m1', 'm2', 'm3'] } });
  const many = Array.from({ length: 999 }, (_, at) => `many${at}`);
  for (const [more, isNamed] of [
    [[...many, 'm1'], true],
    [[...many, 'm1', 'm4'], false],
  ] as const) {
    const list = { memberIds: [...more], tooMany: false };
    const asks = await narrowed('POSITION_KIND_MEMBER', { 'position.listHolders': [list], 'group.listInside': [list] });
    t.deepEqual(asks, isNamed ? { members: { memberIds: [...more] } } : {}, 'more are not named, but all are asked');
  }
  t.deepEqual(await narrowed('POSITION_KIND_LEADER', { 'position.listHolders': [{ memberIds: [], tooMany: true }] }), {});
});

test('who adds itself joins, and its sockets are narrowed; another one is added', async (t) => {
  for (const [byMemberId, change] of [
    [memberId, 'MEMBERSHIP_CHANGE_JOIN'],
    [BY, 'MEMBERSHIP_CHANGE_ADD'],
  ] as const) {
    const all = await asked(t, 'group.add-member', { groupId, memberId, byMemberId });
    t.like(all['group.beginChangeMembership'], { groupId, memberId, change });
    t.like(all['websocket.narrowSockets'], { members: { memberIds: [memberId] } });
  }
});

test('of many, those come in and are narrowed whom Auth lets in; what hinders others is told of whom who adds may know', async (t) => {
  const NONE = 'MEMBER_NOT_FOUND';
  const hindered = [
    { memberId: 'in', code: 'already' },
    { memberId: 'hidden', code: 'MEMBER_DELETING' },
  ];
  const add = (memberIds: string[], ...refusedIds: string[]) =>
    asked(t, 'group.add-members', INPUTS['group.add-members'], {
      'group.countAdditions': [{ parts: 1 }],
      'group.holdAdditions': [{ memberIds, hindered }],
      'auth.admitMembers': [{ refused: refusedIds.map((one) => ({ memberId: one, code: NONE })) }],
      'group.sumUpAdditions': [{ added: 0, already: 0, refused: 0 }],
    });
  const some = await add(['a', 'none', 'b'], 'none', 'hidden');
  t.like(some['auth.admitMembers'], { groupId, memberIds: ['a', 'none', 'b'], hinderedIds: ['in', 'hidden'] });
  t.like(some['websocket.narrowSockets'], { members: { memberIds: ['a', 'b'] } });
  t.deepEqual(some['group.commitAdditions']?.refused, [
    { memberId: 'none', code: NONE },
    { memberId: 'hidden', code: NONE },
    { memberId: 'in', code: 'already' },
  ]);
  t.like((await add(['a'], 'hidden'))['websocket.narrowSockets'], { members: { memberIds: ['a'] } });
  t.is((await add(['none'], 'none'))['websocket.narrowSockets'], undefined, 'nobody came in');
});
