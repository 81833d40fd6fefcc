import anyTest, { type TestFn } from 'ava';
import { INPUTS } from './inputs.fixture.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { away, type Script, ScriptedServices } from './saga.fixture.ts';

// Which sagas set the terms of positions, and when.

const test = anyTest as TestFn<{ sagas: HastySagas }>;
test.before(async (t) => {
  t.context = { sagas: await HastySagas.open() };
});
test.after.always((t) => t.context.sagas?.close());

const { groupId, positionId, memberId } = INPUTS['position.bind'];
const UNTIL = '2027-04-01T00:00:00.000Z';
const binding = { groupId, memberId, positionId };
const term = {
  about: `position/${groupId}/${memberId}/${positionId}`,
  command: 'position.end-term',
  aggregateId: groupId,
  memberId,
  summary: `How long member ${memberId} is bound to position ${positionId}`,
};
const termsSet = ({ received }: ScriptedServices): unknown[] =>
  received.filter(({ name }) => name === 'term.setTerms').map(({ request }) => request.terms);

test('who is bound for a term has its timer before the lock is given up, and before others see it', async (t) => {
  const services = new ScriptedServices({ 'term.setTerms': (attempt) => (attempt < 6 ? away : undefined) });
  await t.context.sagas.run('position.bind', { ...binding, until: UNTIL }, services);
  const steps = [
    'holdGroup',
    'beginChangeBindings',
    'changeStandings',
    'narrowSockets',
    'setTerms',
    'commitBindings',
    'releaseGroup',
  ];
  t.deepEqual([...new Set(services.steps)], steps);
  t.like(services.received[1]?.request, { bind: [positionId], until: UNTIL });
  t.deepEqual(termsSet(services)[0], [{ ...term, until: UNTIL, input: { ...binding, until: UNTIL } }]);
  t.is(services.states.at(-1), 'COMPLETED', 'past the pivot it is tried until it is through');
});

test('where no term changes none is set', async (t) => {
  for (const command of ['position.bind', 'position.unbind', 'group.leave', 'group.expel-member'] as const) {
    const answer = { bindings: [{ memberId, positionIds: [] }], tenure: undefined, terms: [] };
    const services = new ScriptedServices({ 'position.beginChangeBindings': [answer] });
    await t.context.sagas.run(command, command === 'position.bind' ? binding : INPUTS[command], services);
    t.deepEqual(termsSet(services), [], command);
    t.is(services.states.at(-1), 'COMPLETED');
  }
});

test('whose binding ends in another way has its timer called off, in the same saga', async (t) => {
  const answer = { bindings: [{ memberId, positionIds: [] }], tenure: undefined, terms: [binding] };
  const script: Script = { 'position.beginChangeBindings': [answer] };
  for (const command of ['position.unbind', 'group.leave', 'group.expel-member'] as const) {
    const services = new ScriptedServices(script);
    await t.context.sagas.run(command, INPUTS[command], services);
    t.like(termsSet(services), [[{ ...term, until: null }]], command);
    t.is(services.steps.indexOf('setTerms') + 1, services.steps.indexOf('commitBindings'));
  }
});

test('whose term has ended is let go, with its sockets; where nothing ends nobody is asked, and the job is done', async (t) => {
  const input = { ...binding, until: UNTIL };
  const services = new ScriptedServices({ 'position.beginEndTerm': [{ bindings: { memberId, positionIds: ['p2'] } }] });
  await t.context.sagas.run('position.end-term', input, services);
  t.deepEqual(services.steps, ['claimBindings', 'beginEndTerm', 'changeStandings', 'narrowSockets', 'commitBindings']);
  t.like(services.received[0]?.request, { groupId, memberId });
  t.like(services.received[1]?.request, input);
  const changes = [{ memberId, positions: { positionIds: ['p2'] } }];
  t.like(services.received[2]?.request, { groupId, changes });
  t.like(services.received[3]?.request, { members: { memberIds: [memberId] } });

  const none = new ScriptedServices({ 'position.beginEndTerm': [{}] });
  await t.context.sagas.run('position.end-term', input, none);
  t.deepEqual(none.steps, ['claimBindings', 'beginEndTerm']);
  t.is(none.states.at(-1), 'COMPLETED');
});
