import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import anyTest, { type TestFn } from 'ava';
import { whole } from '#platform/cases.fixture.ts';
import { HISTORY } from '../temporal.config.ts';
import type { Carried } from './carried.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { runsOf, type WorkflowRun } from './observe.fixture.ts';
import { away, type Scripted, ScriptedServices, taken } from './saga.fixture.ts';

// How long the history of a run gets at worst, as temporal.config.ts reasons: where services are away for so long that each
// item costs its activity, its alarm and a workflow task for each. By `npm run matrix` at its true size, or else at a small one.

const test = (anyTest as TestFn<{ sagas: HastySagas }>).serial;

test.before(async (t) => {
  const short = whole ? [] : ['short-history.fixture.ts'];
  t.context = { sagas: await HastySagas.open('each.fixture.ts', ['alarms.fixture.ts', ...short], () => undefined) };
});
test.after.always((t) => t.context.sagas?.close());

const MOST_EVENTS = whole ? HISTORY.mostEvents : 300;
const AT_ONCE = whole ? HISTORY.mostAtOnce : 10;
const ITEMS = whole ? 600 : 60;
/** Items that are undone at the same time. */
const UNDONE_AT_ONCE = 25;
/** Events of an item at worst. */
const OF_ITEM = 14;
/** Events of a run besides those of its items, at most. */
const OF_RUN = 100;

/** A service that is away for each operation until its alarm is raised, and then is back for one after the other. */
function awayUntilAlarm(atOnce: number): Scripted {
  const attempts = new Map<unknown, number>();
  let waiting = 0;
  return async (_, { operationId }) => {
    const attempt = (attempts.get(operationId) ?? 0) + 1;
    attempts.set(operationId, attempt);
    if (attempt <= 4) return away;
    waiting++;
    await delay(300 + 20 * (atOnce + waiting));
    waiting--;
    return undefined;
  };
}

const count = (runs: WorkflowRun[]): number[] => runs.map(({ events }) => events.length);
const alarms = (runs: WorkflowRun[]): number =>
  runs.flatMap(({ events }) => events).filter((event) => event.timerFiredEventAttributes).length;

test('the numbers leave place: a chunk that begins just below the bound, and a first round of undoing after it', (t) => {
  const { mostEvents, mostAtOnce } = HISTORY;
  t.true(mostEvents + OF_ITEM * (mostAtOnce + UNDONE_AT_ONCE) + OF_RUN < 5_000);
});

test('after the pivot, a list whose service is away goes on in new runs before its history is long', async (t) => {
  const services = new ScriptedServices({ 'auth.removeLogin': awayUntilAlarm(AT_ONCE) });
  const input = { memberIds: ['m0'], found: ITEMS, atOnce: AT_ONCE };
  const { workflowId } = await t.context.sagas.run('member.many', input, services);
  t.is(services.end?.state, 'JOB_STATE_COMPLETED');
  const runs = (await runsOf(t.context.sagas.client, workflowId)).filter((run) => run.workflowId.endsWith('/member.rest'));
  t.log(`${count(runs)} events, ${alarms(runs)} alarms of ${ITEMS}`);
  t.true(alarms(runs) > 0);
  t.true(runs.length > 1);
  const events = count(runs).reduce((sum, one) => sum + one, 0);
  t.true(events <= OF_ITEM * ITEMS + OF_RUN * runs.length, `${events} of ${ITEMS} items`);
  t.true(Math.max(...count(runs)) < MOST_EVENTS + OF_ITEM * AT_ONCE + OF_RUN, `${count(runs)}`);
});

test('so does one that is undone because its service was away, while the undos find it away', async (t) => {
  const memberIds = Array.from({ length: ITEMS }, (_, i) => `m${i}`);
  const isAway = awayUntilAlarm(AT_ONCE);
  const services = new ScriptedServices({
    'role.assignRoles': async (...call) => {
      const answer = await isAway(...call);
      return !answer && String(call[1].operationId).endsWith(`/m${ITEMS - 1}`) ? taken : answer;
    },
    'role.undo': awayUntilAlarm(UNDONE_AT_ONCE),
  });
  const { workflowId } = await t.context.sagas.run('member.many', { memberIds, atOnce: AT_ONCE }, services);
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } });
  t.deepEqual(services.effects, []);
  const runs = await runsOf(t.context.sagas.client, workflowId);
  t.log(`${count(runs)} events, ${alarms(runs)} alarms of ${ITEMS}`);
  t.true(alarms(runs) > 0);
  t.true(runs.length > 2);
  t.true(Math.max(...count(runs)) < MOST_EVENTS + OF_ITEM * (AT_ONCE + UNDONE_AT_ONCE) + OF_RUN, `${count(runs)}`);
});

test('what is handed on of the longest list is a message that Temporal takes', async (t) => {
  const ids = Array.from({ length: HISTORY.mostOfList }, () => randomUUID());
  const written = Object.fromEntries(ids.map((id) => [id, 100]));
  const carried: Partial<Carried> = { itemsDone: { 'role.assignRoles': ids.length }, written: { 'member-roles': written } };
  const args = [{ memberIds: ids }, carried];
  const { workflow } = t.context.sagas.client;
  // Nobody works on that queue.
  const handle = await workflow.start('member.many', { workflowId: randomUUID(), taskQueue: 'nobody', args });
  const bytes = Buffer.byteLength(JSON.stringify(args));
  t.log(`${bytes} bytes`);
  t.true(bytes < 1_000_000, 'half of what it takes, so that two lists have place');
  await handle.terminate('by the test');
});
