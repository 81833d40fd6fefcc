import type { ServiceDefinition } from '@grpc/grpc-js';
import anyTest, { type TestFn } from 'ava';
import { CONTRACTS } from '../activities/index.ts';
import type { CommandName } from './commands.ts';
import { isStep } from './declaration.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { attributesOf } from './observe.fixture.ts';
import type { RecoverInput } from './recover.ts';
import { away, knowing, type ScriptedServices } from './saga.fixture.ts';
import * as sagas from './sagas.ts';
import { fullName } from './step.ts';

// The end of jobs whose sagas have no history any more.

const test = anyTest as TestFn<{ sagas: HastySagas }>;
test.before(async (t) => {
  t.context = { sagas: await HastySagas.open() };
});
test.after.always((t) => t.context.sagas?.close());

const SAGAS = new Map(Object.entries(sagas));
const COMMANDS = [...SAGAS.keys()] as CommandName[];

const memberId = '01890a5d-ac96-774b-bcce-b302099a8057';
const input = (command: CommandName, undoing = false): RecoverInput => ({ command, aggregateId: memberId, undoing });

const did = (services: ScriptedServices): string[] => services.steps;
/** What a saga does before its pivot and from there on, by the steps' names, and the undos of all that it declares. */
function course(command: CommandName): { before: string[]; pivot: string; after: string[]; undos: string[] } {
  const { steps = [], pivots = [], versions = [] } = SAGAS.get(command) ?? {};
  const names = steps.map(fullName);
  const at = names.indexOf(pivots[0] ?? '');
  // A saga that it runs is undone as one.
  const parts = versions.at(-1)?.parts ?? [];
  // Temporal itself keeps terms: of what was set no service is asked.
  const asked = parts.filter((part) => !isStep(part) || fullName(part) !== 'term.setTerms');
  const undos = asked.map((part) => `undo ${isStep(part) ? part.name : part.command.split('.')[1]}`).toReversed();
  const after = names.slice(at + 1).filter((name) => !pivots.includes(name));
  return { before: names.slice(0, at), pivot: names[at] ?? '', after, undos };
}

for (const command of COMMANDS) {
  const { before, pivot, after, undos } = course(command);
  // A saga that begins with its pivot has changed nothing before it.
  const code = before.length > 0 ? 'JOB_LOST' : 'NOT_STARTED';

  test(`${command}: what it declares after its pivot is asked for nothing but which aggregate it is`, (t) => {
    // What a saga that it runs asks, that one finds itself.
    const own = (SAGAS.get(command)?.versions.at(-1)?.parts ?? []).filter(isStep).map(fullName);
    // Which terms it has set is lost with its history: the Schedule sets them.
    for (const name of after.filter((one) => own.includes(one) && one !== 'term.setTerms')) {
      const [service = '', method = ''] = name.split('.');
      const contract: ServiceDefinition = CONTRACTS[service as keyof typeof CONTRACTS];
      const asked = Object.keys(contract[method]?.requestDeserialize(Buffer.alloc(0)) as object);
      const ids = asked.filter((field) => field !== 'operationId' && field.endsWith('Id'));
      // None: what its job has begun is all that it is asked for.
      t.true(ids.length <= 1, name);
      t.deepEqual(
        // Where no members and no group are named all are meant.
        asked.filter((field) => ![...ids, 'operationId', 'limit', 'members', 'group'].includes(field)),
        [],
        name,
      );
    }
    t.pass();
  });

  test(`${command}: what is before its pivot is undone, the last step first, and its job fails as ${code}`, async (t) => {
    const services = knowing(before, { 'member.undo': (attempt) => (attempt <= 6 ? away : undefined) });
    const handle = await t.context.sagas.run('saga.recover', input(command), services);
    t.deepEqual([...new Set(did(services))], [...new Set(undos)]);
    t.deepEqual([services.states[0], services.states.at(-1)], ['COMPENSATING', 'FAILED']);
    t.like(services.end, { error: { code } });
    t.like(await attributesOf(handle), { MusubiOutcome: 'failed', MusubiFailure: code });
    t.like(await handle.result(), { refused: { code } });
  });

  test(`${command}: what is past its pivot is finished, and its job completes`, async (t) => {
    const services = knowing([...before, pivot]);
    const handle = await t.context.sagas.run('saga.recover', input(command), services);
    t.deepEqual(
      did(services),
      after.map((name) => name.split('.')[1]),
    );
    t.deepEqual(services.states, ['COMPLETED']);
    t.deepEqual(await handle.result(), { id: memberId });
    t.deepEqual(JSON.parse(String(services.end?.resultJson)), { id: memberId });
  });
}

for (const [version, pivot] of [
  [1, 'member.commitUpdate'],
  [2, 'auth.confirmPermit'],
] as const)
  test(`the pivot of an update without a new login, of version ${version}, is ${pivot}: once that is done, it is completed`, async (t) => {
    const services = knowing(['member.beginUpdate', pivot]);
    await t.context.sagas.run('saga.recover', input('member.update'), services);
    t.deepEqual([did(services), services.states], [['commitUpdate'], ['COMPLETED']]);
  });

test('what was being undone is undone, also where the pivot had been done', async (t) => {
  const services = knowing(['member.beginUpdate', 'auth.rebindLogin']);
  await t.context.sagas.run('saga.recover', input('member.update', true), services);
  t.deepEqual([did(services), services.states.at(-1)], [course('member.update').undos, 'FAILED']);
});

test('what no service knows of was never started: it is refused should it come, and the job says so', async (t) => {
  const services = knowing([]);
  await t.context.sagas.run('saga.recover', input('member.delete'), services);
  t.deepEqual(did(services), course('member.delete').undos);
  t.like(services.end, { error: { code: 'NOT_STARTED' } });
});

test('a recovery can not be cancelled', async (t) => {
  const services = knowing(['member.createMember'], {
    'member.undo': async (attempt, _, workflow) => {
      if (attempt === 5) await workflow.cancel();
      return attempt <= 6 ? away : undefined;
    },
  });
  await t.context.sagas.run('saga.recover', input('member.register'), services);
  t.deepEqual([...new Set(did(services))], course('member.register').undos);
  t.is(services.states.at(-1), 'FAILED');
});

test('a run of an earlier engine, whose operations name the step only, is recovered likewise', async (t) => {
  const services = knowing(['createMember', 'bindLogin', 'assignRoles', 'grantRoles']);
  await t.context.sagas.run('saga.recover', input('member.register'), services);
  t.deepEqual([did(services), services.states], [['activateMember'], ['COMPLETED']]);
  t.regex(
    String(services.received.find(({ name }) => name === 'member.activateMember')?.request.operationId),
    /\/activateMember$/,
  );
});
