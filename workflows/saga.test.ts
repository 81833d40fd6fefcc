import type { WorkflowHandle } from '@temporalio/client';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { triedCases, whole } from '#platform/cases.fixture.ts';
import type { CommandName } from './commands.ts';
import { isStep } from './declaration.ts';
import { aggregateOf, INPUTS } from './inputs.fixture.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { attributesOf, detailsOf, failureOf } from './observe.fixture.ts';
import { away, cancelling, type Script, type Scripted, ScriptedServices, taken } from './saga.fixture.ts';
import * as workflows from './sagas.ts';
import { fullName } from './step.ts';
import { countEvents } from './time-skipping.fixture.ts';

// The system's own sagas, of each what is its own: its steps in order, and how it is undone from its pivot. What holds of
// every saga is tried once (faults.test.ts), and of each of these by `npm run matrix`.

const test = anyTest as TestFn<{ sagas: HastySagas }>;
type Test = ExecutionContext<{ sagas: HastySagas }>;

test.before(async (t) => {
  t.context = { sagas: await HastySagas.open() };
});
test.after.always((t) => t.context.sagas?.close());

const run = (t: Test, command: CommandName, services: ScriptedServices): Promise<WorkflowHandle> =>
  t.context.sagas.run(command, INPUTS[command], services);

/** Every saga with its steps in order, and which of them is the pivot of a run that does all of them. */
const SAGAS = Object.entries(workflows).map(([command, { steps, pivots, versions }]) => {
  const alternatives = versions.at(-1)?.alternatives ?? [];
  const names = steps.map(fullName).filter((name) => !alternatives.includes(name));
  const hasParts = versions.at(-1)?.parts.some((part) => !isStep(part)) ?? false;
  return { command: command as CommandName, steps: names, pivot: names.indexOf(pivots[0] ?? ''), hasParts };
});

const short = (steps: readonly string[]): string[] => steps.map((step) => step.split('.')[1] ?? step);
/** The undos of the first `count` steps, as they must come: the last first, each once. */
const undosOf = (steps: readonly string[], count: number): string[] =>
  short(steps.slice(0, count))
    .reverse()
    .map((step) => `undo ${step}`);

for (const { command, steps, pivot, hasParts } of SAGAS) {
  const words = (step = ''): string => (step.split('.')[1] ?? '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

  // Serial: how many tasks it takes is not for others to say, which share the worker.
  test.serial(`${command}: all goes well in one workflow task`, async (t) => {
    const services = new ScriptedServices({});
    const handle = await run(t, command, services);
    t.deepEqual(services.steps, short(steps));
    t.deepEqual(services.states, ['COMPLETED']);
    const result = { id: aggregateOf(INPUTS[command]) };
    t.deepEqual([JSON.parse(String(services.end?.resultJson)), await handle.result()], [result, result]);
    t.deepEqual(services.end?.progress, { done: steps.length, total: steps.length, step: 'done' });
    t.like(await attributesOf(handle), { MusubiOutcome: 'done', MusubiFailure: undefined });
    const details = await detailsOf(handle);
    t.regex(details, new RegExp(`^Done: all ${steps.length} steps\\.`));
    // A saga that it runs is another workflow.
    if (hasParts) return;
    for (const step of steps) t.regex(details, new RegExp(`^- ${words(step)}: done, [\\d.]+ m?s$`, 'm'));
    t.is(await countEvents(handle, 'workflowTaskCompletedEventAttributes'), 1);
    for (const { name, request } of services.received) {
      if (!/^(job|query|term)\./.test(name)) t.is(request.operationId, `${handle.workflowId}/${name}`);
    }
  });

  const cases = Object.fromEntries(steps.slice(0, pivot + 1).map((step, at) => [step, at]));
  for (const [step, at] of triedCases(cases, [steps[pivot] ?? ''])) {
    test(`${command}: refused at ${step}, every step before is undone once, the last first`, async (t) => {
      const services = new ScriptedServices({ [step]: [taken] });
      const handle = await run(t, command, services);
      t.deepEqual(services.steps, [...short(steps.slice(0, at + 1)), ...undosOf(steps, at + 1)]);
      t.deepEqual(services.states, ['COMPENSATING', 'FAILED']);
      t.deepEqual(services.end?.error, {
        code: 'LOGIN_TAKEN',
        message: 'The login is taken.',
        errors: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }],
        grpcStatus: 'ALREADY_EXISTS',
      });
      t.deepEqual(services.end?.progress, {
        done: at,
        total: steps.length,
        step: `refused at "${words(step)}", all undone`,
      });
      // No failed workflow: that is what somebody should look at.
      t.is((await handle.describe()).status.name, 'COMPLETED');
      t.deepEqual(await handle.result(), {
        refused: { step: words(step), code: 'LOGIN_TAKEN', message: 'The login is taken.' },
      });
      t.like(await attributesOf(handle), { MusubiOutcome: 'refused', MusubiFailure: 'LOGIN_TAKEN' });
      const details = await detailsOf(handle);
      t.regex(details, new RegExp(`^Refused: .*"${words(step)}": LOGIN_TAKEN`));
      t.regex(details, new RegExp(`^- ${words(step)}: \\*\\*refused: LOGIN_TAKEN\\*\\*, [\\d.]+ m?s$`, 'm'));
      t.regex(details, new RegExp(`^- undo "${words(step)}": done, `, 'm'));
      const { events } = await handle.fetchHistory();
      const told = events?.find((event) => event.activityTaskScheduledEventAttributes)?.userMetadata?.summary?.data;
      t.is(Buffer.from(told ?? []).toString(), JSON.stringify(`refused at "${words(step)}": LOGIN_TAKEN`), 'on the timeline');
    });

    test(`${command}: away at ${step} for good, it is undone`, async (t) => {
      const services = new ScriptedServices({ [step]: [away] });
      const handle = await run(t, command, services);
      t.deepEqual(services.steps.slice(-(at + 1)), undosOf(steps, at + 1));
      t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'SERVICE_UNAVAILABLE', grpcStatus: 'UNAVAILABLE' } });
      t.like(services.end?.progress, { done: at, step: `failed at "${words(step)}", all undone` });
      t.like(await failureOf(handle), { cause: { type: 'SERVICE_UNAVAILABLE' } });
    });
  }

  const last = pivot > 0 ? pivot - 1 : pivot;
  for (const [step, at] of triedCases(cases, [steps[last] ?? ''])) {
    test(`${command}: cancelled while ${step} is tried, ${at < pivot ? 'it is undone' : 'it is too late'}`, async (t) => {
      const tooLate: Scripted = async (attempt, _, workflow) => {
        if (attempt === 1) await workflow.cancel();
        return attempt < 8 ? away : {};
      };
      const services = new ScriptedServices({ [step]: at < pivot ? cancelling : tooLate });
      const handle = await run(t, command, services);
      const description = await handle.describe();
      if (at < pivot) {
        t.is(description.status.name, 'CANCELLED');
        t.is(services.end?.state, 'JOB_STATE_CANCELLED');
        const progress = { done: at, total: steps.length, step: `cancelled at "${words(step)}", all undone` };
        t.deepEqual(services.end?.progress, progress);
        t.like(await attributesOf(handle), { MusubiOutcome: 'cancelled', MusubiFailure: undefined });
        t.deepEqual(services.steps.slice(-(at + 1)), undosOf(steps, at + 1));
      } else {
        t.is(description.status.name, 'COMPLETED');
        t.is(services.end?.state, 'JOB_STATE_COMPLETED');
        t.false(services.steps.some((name) => name.startsWith('undo')));
      }
    });
  }

  for (const step of whole ? steps.slice(pivot + 1) : []) {
    test(`${command}: after the pivot, ${step} is tried until it is through, even if refused`, async (t) => {
      const answers: Script = { [step]: (attempt) => (attempt <= 12 ? (attempt % 2 === 0 ? taken : away) : {}) };
      const services = new ScriptedServices(answers);
      await run(t, command, services);
      t.is(services.end?.state, 'JOB_STATE_COMPLETED');
      t.is(services.received.filter(({ name }) => name === step).length, 13);
      t.false(services.steps.some((name) => name.startsWith('undo')));
      t.true(services.states.includes('RUNNING'));
    });
  }
}

/** What a step is asked, without the operation's ID. */
const askedOf = (services: ScriptedServices, step: string): Record<string, unknown> => {
  const { operationId: _, ...asked } = services.received.find(({ name }) => name === step)?.request ?? {};
  return asked;
};
const MEMBER = { memberId: '01890a5d-ac96-774b-bcce-b302099a8057' };
const NARROWED = { members: { memberIds: [MEMBER.memberId] } };

test('the version that the client saw goes with every step that looks at it', async (t) => {
  const update = new ScriptedServices({});
  await run(t, 'member.update', update);
  const changes = { loginId: 'jiro', displayName: 'Jiro' };
  t.deepEqual(askedOf(update, 'member.beginUpdate'), { ...MEMBER, changes, expectedVersion: 2 });

  const removal = new ScriptedServices({});
  await run(t, 'member.delete', removal);
  t.deepEqual(askedOf(removal, 'member.closeMember'), { ...MEMBER, expectedVersion: 3 });
  t.deepEqual(askedOf(removal, 'member.beginDelete'), { ...MEMBER, expectedVersion: 3 }, 'who held it may have made another');
});

test('a deletion closes the member in all services before it waits for those who came before', async (t) => {
  const removal = new ScriptedServices({});
  await run(t, 'member.delete', removal);
  const steps = removal.received.map(({ name }) => name);
  const lastOf = (...names: string[]) => Math.max(...names.map((name) => steps.indexOf(name)));
  const closed = lastOf('member.closeMember', 'position.closeMember', 'group.closeMember');
  for (const waiting of ['member.beginDelete', 'position.releaseMember', 'group.leaveAllGroups'])
    t.true(closed < steps.indexOf(waiting), waiting);
  t.is(steps.filter((name) => name.endsWith('.closeMember')).length, 3);
});

test('a member is closed for a while, or for good, and what its own permit holds in spite of is said', async (t) => {
  const suspension = new ScriptedServices({});
  await run(t, 'member.suspend', suspension);
  t.deepEqual(askedOf(suspension, 'member.closeMember'), { ...MEMBER, expectedVersion: 3, reopens: true });
  t.deepEqual(askedOf(suspension, 'member.beginSuspend'), { ...INPUTS['member.suspend'] });
  const removal = new ScriptedServices({});
  await run(t, 'member.delete', removal);
  t.like(askedOf(removal, 'auth.confirmPermit'), { closedMemberId: MEMBER.memberId }, 'who deletes itself is not refused for it');
});

test('a role is given or taken, and the sockets of that member alone are narrowed', async (t) => {
  const { roleId } = INPUTS['role.assign'];
  for (const [command, change] of [
    ['role.assign', { add: [roleId], remove: [] }],
    ['role.revoke', { add: [], remove: [roleId] }],
  ] as const) {
    const services = new ScriptedServices({});
    await run(t, command, services);
    t.deepEqual(askedOf(services, 'role.beginChangeMemberRoles'), { ...MEMBER, ...change });
    t.deepEqual(askedOf(services, 'websocket.narrowSockets'), NARROWED);
  }
});

test('Auth has members bound to exactly what Position says, and is told of a position what it will be', async (t) => {
  const { groupId, positionId } = INPUTS['position.bind'];
  const bindings = [
    { ...MEMBER, positionIds: [positionId] },
    { memberId: 'successor', positionIds: ['leading'] },
  ];
  for (const [command, asked] of [
    ['position.bind', { bind: [positionId], release: [] }],
    ['position.unbind', { bind: [], release: [positionId] }],
  ] as const) {
    const services = new ScriptedServices({ 'position.beginChangeBindings': [{ bindings, terms: [] }] });
    await run(t, command, services);
    t.like(askedOf(services, 'position.beginChangeBindings'), { groupId, ...MEMBER, releaseAll: false, ...asked });
    const { changes } = askedOf(services, 'auth.changeStandings');
    t.deepEqual(
      changes,
      bindings.map(({ memberId, positionIds }) => ({ memberId, positions: { positionIds } })),
    );
    t.deepEqual(askedOf(services, 'websocket.narrowSockets'), NARROWED, 'what is given may be forbidden something');
  }
  const grant = { positionId, kind: 'POSITION_KIND_LEADER', permissions: [] };
  for (const [command, step] of [
    ['position.create', 'position.beginCreatePosition'],
    ['position.update', 'position.beginUpdatePosition'],
  ] as const) {
    const services = new ScriptedServices({ [step]: [{ position: grant }] });
    await run(t, command, services);
    t.like(askedOf(services, 'auth.putPosition'), { groupId, position: grant });
  }
});

test('of a position that permits something else, those are narrowed who hold it once Auth goes by that; all, where they are too many', async (t) => {
  const { groupId, positionId } = INPUTS['position.update'];
  const update = async (kind: string, changes: object, script: Script = {}) => {
    const grant = { positionId, kind, permissions: [] };
    const services = new ScriptedServices({ 'position.beginUpdatePosition': [{ position: grant }], ...script });
    await t.context.sagas.run('position.update', { groupId, positionId, changes }, services);
    return services;
  };
  const permissions: [] = [];
  const nobody = { memberIds: [], tooMany: false };
  const bound = await update('POSITION_KIND_UNSPECIFIED', { permissions }, { 'group.listInside': [nobody] });
  const steps = ['putPosition', 'listHolders', 'listInside', 'narrowSockets', 'commitPosition', 'releaseGroup'];
  t.deepEqual(bound.steps.slice(2), steps);
  t.deepEqual(askedOf(bound, 'position.listHolders'), { positionId });
  t.deepEqual(askedOf(bound, 'group.listInside'), {}, 'who is in the group holds it by being bound only');
  t.deepEqual(askedOf(bound, 'websocket.narrowSockets'), { members: { memberIds: ['m1'] } });
  const everybodys = await update('POSITION_KIND_MEMBER', { permissions });
  t.deepEqual(askedOf(everybodys, 'group.listInside'), { groupId });
  t.deepEqual(askedOf(everybodys, 'websocket.narrowSockets'), { members: { memberIds: ['m1', 'm0'] } });
  for (const [kind, step] of [
    ['POSITION_KIND_LEADER', 'position.listHolders'],
    ['POSITION_KIND_MEMBER', 'group.listInside'],
  ] as const) {
    const many = await update(kind, { permissions }, { [step]: [{ memberIds: [], tooMany: true }] });
    t.deepEqual(askedOf(many, 'websocket.narrowSockets'), {}, step);
  }
  const idsOf = (word: string) => ({ memberIds: Array.from({ length: 501 }, (_, at) => `${word}${at}`), tooMany: false });
  const together = { 'position.listHolders': [idsOf('a')], 'group.listInside': [idsOf('b')] };
  t.deepEqual(askedOf(await update('POSITION_KIND_MEMBER', { permissions }, together), 'websocket.narrowSockets'), {});
  t.false((await update('POSITION_KIND_LEADER', { name: 'Other' })).steps.includes('narrowSockets'), 'a name permits nothing');
});

test('Auth is told whether a policy was written as Cedar', async (t) => {
  const simple = { effect: 'EFFECT_ALLOW' as const, actions: ['member.read'], resources: ['*'] };
  const { policyId } = INPUTS['policy.create'];
  for (const [command, input, raw] of [
    ['policy.create', INPUTS['policy.create'], true],
    ['policy.create', { policyId, name: 'Read', simple }, false],
    ['policy.update', { policyId, changes: { cedar: 'permit (principal, action, resource);' } }, true],
    ['policy.update', { policyId, changes: { simple } }, false],
    ['policy.update', { policyId, changes: { name: 'Other' } }, false],
  ] as const) {
    const services = new ScriptedServices({});
    await t.context.sagas.run(command, input, services);
    t.like(askedOf(services, 'auth.changePolicy'), { raw }, JSON.stringify(input));
  }
});

test('who changes its password closes its other sockets if it asks for that', async (t) => {
  for (const endOtherSessions of [true, false]) {
    const services = new ScriptedServices({});
    await t.context.sagas.run('auth.change-password', { ...INPUTS['auth.change-password'], endOtherSessions }, services);
    t.like(askedOf(services, 'auth.changePassword'), { ...MEMBER, sessionId: 's1', endOtherSessions });
    t.is(services.steps.includes('closeSockets'), endOtherSessions);
  }
});
