import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import test from 'ava';
import { unavailable } from '#platform/errors.ts';
import { createLogger } from '#platform/process/log.ts';
import { until } from '#platform/until.fixture.ts';
import { SYSTEM } from '#platform/validation/id.ts';
import type { Term } from '../activities/terms.ts';
import { HISTORY, OF_THE_SYSTEM, SEARCH_ATTRIBUTES, TIMERS, WORKER_TUNING } from '../temporal.config.ts';
import { bundleForTest } from '../workflows/bundle.fixture.ts';
import { detailsOf } from '../workflows/observe.fixture.ts';
import type { How } from '../workflows/term.fixture.ts';
import { createTerms, setDueTerms, termId, termsInWords } from './terms.ts';

// On Temporal's time-skipping server: years pass in a moment. One term at a time, for they share its clock.

let environment: TestWorkflowEnvironment;
let client: Client;
let bundle: { code: string };
let worker: Worker;
let running: Promise<void>;
/** What commands were begun with, by their jobs, in order. */
const ended: { jobId: string; input: unknown }[] = [];
/** How the next commands end; none: done. */
const hows: How[] = [];
/** Keys that jobs were issued for. */
const issued: { key: string; jobId: string; memberId: string; aggregateId: string }[] = [];
let isJobAway = false;

async function work(tuning: Partial<WorkerOptions> = {}): Promise<void> {
  worker = await Worker.create({
    ...WORKER_TUNING,
    ...tuning,
    connection: environment.nativeConnection,
    taskQueue: 'sagas',
    workflowBundle: bundle,
    activities: {
      'job.issueJob': async (_: unknown, { idempotencyKey: key, memberId, aggregateId }: Record<string, string>) => {
        if (isJobAway) throw unavailable('SERVICE_UNAVAILABLE', 'away');
        const jobId = issued.find((one) => one.key === key)?.jobId ?? randomUUID();
        issued.push({ key: key ?? '', jobId, memberId: memberId ?? '', aggregateId: aggregateId ?? '' });
        return { job: { jobId } };
      },
      end: async (input: unknown): Promise<How> => {
        ended.push({ jobId: issued.at(-1)?.jobId ?? '', input });
        return hows.shift() ?? 'done';
      },
    },
  });
  running = worker.run();
}

async function rest(): Promise<void> {
  worker.shutdown();
  await running;
}

test.before(async () => {
  const path = process.env.MUSUBI_TEMPORAL_TEST_SERVER ?? '';
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
  environment = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } });
  const searchAttributes = Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map(({ name }) => [name, 2 /* Keyword */]));
  await environment.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes });
  client = new Client({ connection: environment.connection });
  bundle = await bundleForTest({ workflows: 'term.fixture.ts' });
  await work();
});
test.after.always(async () => {
  await rest();
  await environment.teardown();
});
test.beforeEach(() => {
  ended.length = 0;
  issued.length = 0;
});

const terms = createTerms(() => client);
const set = (...all: Term[]) => terms.setTerms({ terms: all }, { timeoutMs: 20_000 });
/** The time by the server's clock, so much later. */
const later = async (ms: number): Promise<string> => new Date((await environment.currentTimeMs()) + ms).toISOString();
const DAY = 86_400_000;

function about(what: string): Omit<Term, 'until'> {
  const summary = `The end of ${what}`;
  return { about: what, command: 'group.ending', input: { what }, aggregateId: 'root', memberId: 'm', summary };
}

const handleOf = (term: Omit<Term, 'until'>): WorkflowHandle => client.workflow.getHandle(termId(term));
const isClosed = async (term: Omit<Term, 'until'>): Promise<boolean> =>
  (await handleOf(term).describe()).status.name !== 'RUNNING';

/** Lets so much time pass. */
async function pass(ms: number): Promise<void> {
  await environment.sleep(ms);
  await delay(100);
}

test.serial('what ends is ended at its moment, years later, once, by a job of the system', async (t) => {
  t.is(OF_THE_SYSTEM, SYSTEM);
  const term = about('position/g/m/years');
  const moment = await later(9 * 365 * DAY);
  await set({ ...term, until: moment });
  await pass(9 * 365 * DAY - 60_000);
  t.deepEqual(ended, []);
  t.false(await isClosed(term));
  await pass(61_000);
  await until(() => isClosed(term));
  t.deepEqual(
    ended.map(({ input }) => input),
    [{ what: 'position/g/m/years' }],
  );
  t.like(issued[0], { memberId: 'system', aggregateId: 'root' });
  const { parentExecution } = (await client.workflow.getHandle(issued[0]?.jobId ?? '').describe()) as never as {
    parentExecution?: { workflowId: string };
  };
  t.is(parentExecution?.workflowId, 'term/position/g/m/years');
  t.is((await handleOf(term).describe()).status.name, 'COMPLETED');
});

test.serial('what has ended already is ended at once; what is no moment, too', async (t) => {
  const [past, none] = [about('past'), about('none')];
  await set({ ...past, until: await later(-DAY) }, { ...none, until: 'no moment' });
  await until(async () => (await isClosed(past)) && (await isClosed(none)));
  t.is(ended.length, 2);
});

test.serial('a term that runs is prolonged, shortened and called off by setting it again', async (t) => {
  const term = about('changed');
  await set({ ...term, until: await later(DAY) });
  const prolonged = await later(3 * DAY);
  await set({ ...term, until: prolonged });
  await pass(2 * DAY);
  t.deepEqual(ended, []);
  t.true((await detailsOf(handleOf(term))).includes(`ends at ${prolonged}`), await detailsOf(handleOf(term)));
  await set({ ...term, until: await later(60_000) });
  await pass(120_000);
  await until(() => isClosed(term));
  t.is(ended.length, 1);

  // And anew, after it has ended.
  await set({ ...term, until: await later(DAY) });
  t.false(await isClosed(term));
  await set({ ...term, until: null });
  await until(() => isClosed(term));
  await pass(2 * DAY);
  t.is(ended.length, 1, 'called off');
  t.is((await handleOf(term).describe()).status.name, 'COMPLETED');
  await set({ ...term, until: null }, { ...about('never set'), until: null });
  await t.throwsAsync(handleOf(about('never set')).describe(), { message: /not found/i }, 'nothing was started for it');
});

test.serial('the Web UI shows what it is about, when it ends, by what, and what it waits for', async (t) => {
  const term = about('shown');
  const moment = await later(DAY);
  await set({ ...term, until: moment });
  const description = await handleOf(term).describe();
  t.is(description.type, 'term');
  t.is(await detailsOf(handleOf(term)), `It ends at ${moment}, by \`group.ending\`.\n`);
  const { events } = await handleOf(term).fetchHistory();
  const timer = events?.find(({ timerStartedEventAttributes }) => timerStartedEventAttributes);
  t.is(JSON.parse(String(timer?.userMetadata?.summary?.data)), `ends at ${moment}`);
  const [started] = events ?? [];
  t.is(JSON.parse(String(started?.userMetadata?.summary?.data)), 'The end of shown');
  t.true(String(started?.userMetadata?.details?.data).includes('member `m`'));
  const { indexedFields } = started?.workflowExecutionStartedEventAttributes?.searchAttributes ?? {};
  const found = Object.entries(indexedFields ?? {}).map(([name, { data }]) => [name, JSON.parse(String(data))]);
  t.like(Object.fromEntries(found), { MusubiCommand: 'group.ending', MusubiMember: 'm', MusubiAggregate: 'root' });
  await set({ ...term, until: null });
});

test.serial('what could not be ended is tried again by another job until it is; what is refused is not', async (t) => {
  const [vain, refused] = [about('in vain'), about('refused')];
  hows.push('in vain', 'in vain');
  await set({ ...vain, until: await later(1_000) });
  await pass(2_000);
  await until(async () => (await detailsOf(handleOf(vain))).includes('in vain'));
  for (let tries = 0; tries < 3 && !(await isClosed(vain)); tries++) await pass(2 * TIMERS.endAgain.firstMs + 1_000);
  await until(() => isClosed(vain));
  t.is(ended.length, 3);
  t.is(new Set(issued.map(({ jobId }) => jobId)).size, 3);

  hows.push('refused');
  await set({ ...refused, until: await later(1_000) });
  await pass(2_000);
  await until(() => isClosed(refused));
  await pass(10 * TIMERS.endAgain.ms);
  t.is(ended.length, 4);
});

test.serial('what can not be ended for long is tried again soon at first, and then less and less often', async (t) => {
  const term = about('for long');
  hows.push(...Array.from({ length: 100 }, () => 'in vain' as const));
  await set({ ...term, until: await later(1_000) });
  await pass(1_000 + TIMERS.endAgain.ms);
  await until(() => ended.length >= 4);
  const most = Math.ceil(Math.log2(TIMERS.endAgain.ms / TIMERS.endAgain.firstMs)) + 1;
  for (let minutes = 0; minutes < 10; minutes++) await pass(TIMERS.endAgain.ms);
  t.true(ended.length <= most + 12, `${ended.length} times`);
  hows.length = 0;
  await pass(2 * TIMERS.endAgain.ms);
  await until(() => isClosed(term));
});

test.serial('one that is prolonged while it is ended, or between two tries, goes on', async (t) => {
  const [term, soon, moment] = [about('prolonged late'), await later(1_000), await later(DAY)];
  hows.push(...Array.from({ length: 100 }, () => 'in vain' as const));
  await set({ ...term, until: soon });
  await pass(2_000);
  await until(async () => (await detailsOf(handleOf(term))).includes('in vain'));
  // As it is already: it is tried again no sooner.
  await set({ ...term, until: soon });
  await set({ ...term, until: moment });
  await until(async () => (await detailsOf(handleOf(term))).startsWith(`It ends at ${moment}`));
  const tries = ended.length;
  hows.length = 0;
  await pass(10 * TIMERS.endAgain.ms);
  t.is(ended.length, tries);
  t.true((await detailsOf(handleOf(term))).startsWith(`It ends at ${moment}`));
  await pass(DAY);
  await until(() => isClosed(term));
  t.is(ended.length, tries + 1);
});

test.serial('at the moment no worker runs, or Job is away: it is ended when they are back', async (t) => {
  const term = about('nobody there');
  // Where none has it in its cache no task waits for a worker that is gone.
  await rest();
  await work({ maxCachedWorkflows: 0 });
  const moment = await later(DAY);
  await set({ ...term, until: moment });
  await rest();
  // Time stands still at its end, as nobody takes up what is due then.
  const passed = pass(2 * DAY);
  await delay(1_000);
  t.true((await environment.currentTimeMs()) > Date.parse(moment) - 1);
  t.deepEqual(ended, []);
  isJobAway = true;
  await work();
  await until(async () => ((await handleOf(term).describe()).raw.pendingActivities ?? []).length > 0);
  t.deepEqual(ended, []);
  isJobAway = false;
  await passed;
  await until(() => isClosed(term));
  t.is(ended.length, 1);
});

test.serial('set on and on, it goes on in a new run: no history grows without end', async (t) => {
  const term = about('often set');
  await set({ ...term, until: await later(DAY) });
  const { runId } = await handleOf(term).describe();
  // Each adds an update, a timer and its end.
  for (let times = 0; times < HISTORY.mostEvents / 5; times += 50) {
    for (let one = 0; one < 50; one++) await set({ ...term, until: await later(DAY + (times + one) * 1_000) });
    if ((await handleOf(term).describe()).runId !== runId) break;
  }
  const after = await handleOf(term).describe();
  t.not(after.runId, runId);
  t.true((after.historyLength ?? 0) < HISTORY.mostEvents);
  const { length } = (await handleOf(term).fetchHistory()).events ?? [];
  const moment = await later(DAY);
  await set({ ...term, until: moment });
  await set({ ...term, until: moment });
  t.true(((await handleOf(term).fetchHistory()).events ?? []).length - length < 20);
  await pass(DAY + 1_000);
  await until(() => isClosed(term));
  t.is(ended.length, 1);
});

test.serial('all that ends soon, or has ended, gets its timer, of every service that is there', async (t) => {
  const [lost, soon] = [about('lost'), about('soon')];
  const ends = await later(60_000);
  const log = createLogger('test', 'silent');
  const pages = async function* () {
    yield [{ ...lost, until: await later(-DAY) }];
    yield [{ ...soon, until: ends }];
  };
  const next = (): Promise<never> => Promise.reject(unavailable('SERVICE_UNAVAILABLE', 'away'));
  const away = () => ({ [Symbol.asyncIterator]: () => ({ next }) });
  let progressed = 0;
  const context = { peers: {} as never, terms, log, progressed: () => progressed++ };
  const report = await setDueTerms(context, { group: away, position: pages });
  t.deepEqual(report, { due: 2, away: ['group'] });
  t.is(termsInWords(report), '2 end soon, or have ended, and have their timers. **Away: group**; the next run asks again.');
  t.is(progressed, 2);
  await until(() => isClosed(lost));
  t.is(ended.length, 1);
  t.false(await isClosed(soon));
  await pass(61_000);
  await until(() => isClosed(soon));
});

test.serial('a term that can not be set holds up nothing behind it, and is told', async (t) => {
  const [first, beside, behind] = [about('first'), about('beside'), about('behind')];
  // It is no JSON, and so fails as nothing does that is ours.
  const broken = { ...about('broken'), input: { number: 1n } };
  const ends = await later(60_000);
  const group = async function* () {
    yield [{ ...first, until: ends }];
    yield [broken, beside].map((one) => ({ ...one, until: ends }));
    throw new Error('a mistake');
  };
  const position = async function* () {
    yield [{ ...behind, until: ends }];
  };
  const context = { peers: {} as never, terms, log: createLogger('test', 'silent'), progressed: () => undefined };
  const error = await t.throwsAsync(setDueTerms(context, { group, position }));
  t.regex(error?.message ?? '', /^not all terms could be set, for 2 reasons: 3 end soon/);
  t.truthy(error?.cause, 'why');
  for (const term of [first, beside, behind]) t.false(await isClosed(term), term.about);
  await pass(61_000);
  for (const term of [first, beside, behind]) await until(() => isClosed(term));
});
