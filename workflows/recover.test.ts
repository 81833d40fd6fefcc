import anyTest, { type TestFn } from 'ava';
import type { GetOperationResponse, OperationState } from '#proto/musubi/operation/v1/operation.ts';
import type { CommandName } from './commands.ts';
import * as workflows from './index.ts';
import { attributesOf } from './observe.fixture.ts';
import { COURSES, type RecoverInput } from './recover.ts';
import { away, type Script, ScriptedServices } from './saga.fixture.ts';
import { TimeSkipping } from './time-skipping.fixture.ts';

// The end of jobs whose sagas have no history any more.

// One after the other: they share the server's clock.
const test = (anyTest as TestFn<{ time: TimeSkipping }>).serial;
test.before(async (t) => {
  t.context = { time: await TimeSkipping.open() };
});
test.after.always((t) => t.context.time?.close());

const SAGAS = new Map(Object.entries(workflows).flatMap(([name, saga]) => ('steps' in saga ? [[name, saga] as const] : [])));

const memberId = '01890a5d-ac96-774b-bcce-b302099a8057';
const input = (command: CommandName, undoing = false): RecoverInput => ({ command, aggregateId: memberId, undoing });

/** Services whose records are those of these steps. */
function knowing(states: Record<string, OperationState>, script: Script = {}): ScriptedServices {
  const look: Script[string] = (_, { operationId }): GetOperationResponse => {
    const state = states[String(operationId).split('/')[1] ?? ''] ?? 'OPERATION_STATE_UNKNOWN';
    return { state, written: undefined };
  };
  return new ScriptedServices({ 'member.getOperation': look, 'auth.getOperation': look, 'role.getOperation': look, ...script });
}
const did = (services: ScriptedServices): string[] => services.steps.filter((step) => step !== 'getOperation');
const undos = (command: CommandName): string[] => {
  const { before, pivot, after } = COURSES[command];
  return [...before, pivot, ...after].map(({ name }) => `undo ${name}`).toReversed();
};

for (const command of Object.keys(COURSES) as CommandName[]) {
  const { before, pivot, after } = COURSES[command];

  test(`${command}: its recovery knows every step that any version of the saga has`, (t) => {
    const names = [...before, pivot, ...after].map(({ name }) => name);
    t.deepEqual(names.toSorted(), [...(SAGAS.get(command)?.steps ?? [])].toSorted());
  });

  test(`${command}: what is before its pivot is undone, the last step first, and its job fails as lost`, async (t) => {
    const done = Object.fromEntries(before.map(({ name }) => [name, 'OPERATION_STATE_DONE' as const]));
    const services = knowing(done, { 'member.undo': (attempt) => (attempt <= 6 ? away : undefined) });
    const handle = await t.context.time.start('saga.recover', input(command), services);
    t.deepEqual([...new Set(did(services))], undos(command));
    t.deepEqual([services.states[0], services.states.at(-1)], ['COMPENSATING', 'FAILED']);
    t.like(services.end, { error: { code: 'JOB_LOST' } });
    t.like(await attributesOf(handle), { MusubiOutcome: 'failed', MusubiFailure: 'JOB_LOST' });
    t.like(await handle.result(), { refused: { code: 'JOB_LOST' } });
  });

  test(`${command}: what is past its pivot is finished, and its job completes`, async (t) => {
    const done = Object.fromEntries([...before, pivot].map(({ name }) => [name, 'OPERATION_STATE_DONE' as const]));
    const services = knowing(done);
    const handle = await t.context.time.start('saga.recover', input(command), services);
    t.deepEqual(
      did(services),
      after.map(({ name }) => name),
    );
    t.deepEqual(services.states, ['COMPLETED']);
    t.deepEqual(await handle.result(), { memberId });
    t.deepEqual(JSON.parse(String(services.end?.resultJson)), { memberId });
  });
}

test('an update without a new login has no pivot but its commit: once that is done, it is completed', async (t) => {
  const services = knowing({ beginUpdate: 'OPERATION_STATE_DONE', commitUpdate: 'OPERATION_STATE_DONE' });
  await t.context.time.start('saga.recover', input('member.update'), services);
  t.deepEqual([did(services), services.states], [['commitUpdate'], ['COMPLETED']]);
});

test('what was being undone is undone, also where the pivot had been done', async (t) => {
  const services = knowing({ beginUpdate: 'OPERATION_STATE_DONE', rebindLogin: 'OPERATION_STATE_DONE' });
  await t.context.time.start('saga.recover', input('member.update', true), services);
  t.deepEqual([did(services), services.states.at(-1)], [undos('member.update'), 'FAILED']);
});

test('what no service knows of was never started: it is refused should it come, and the job says so', async (t) => {
  const services = knowing({});
  await t.context.time.start('saga.recover', input('member.delete'), services);
  t.deepEqual(did(services), undos('member.delete'));
  t.like(services.end, { error: { code: 'NOT_STARTED' } });
});

test('a recovery can not be cancelled', async (t) => {
  const services = knowing(
    { createMember: 'OPERATION_STATE_DONE' },
    {
      'member.undo': async (attempt, _, workflow) => {
        if (attempt === 5) await workflow.cancel();
        return attempt <= 6 ? away : undefined;
      },
    },
  );
  await t.context.time.start('saga.recover', input('member.register'), services);
  t.deepEqual([...new Set(did(services))], undos('member.register'));
  t.is(services.states.at(-1), 'FAILED');
});
