import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import anyTest, { type TestFn } from 'ava';
import { pino } from 'pino';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { ERASERS } from '../services/catalogue.ts';
import { queueOfDomain, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { freshNamespace } from '../test/fresh-namespace.ts';
import { workflowBundle } from './bundle.ts';
import { type Services, services } from './erasures.fixture.ts';
import { type ErasureReport, eraseDeleted, erasuresInWords } from './erasures.ts';
import { makeSchedules } from './schedules.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { tellOfErasures, unendingInWords } from './watch.ts';
import { createWorker } from './worker.ts';

// On the real Temporal of the stack, in a namespace of its own; the services are lists of whom they know.

const test = anyTest.serial as TestFn<unknown>;
const log = pino({ level: 'silent' });
let namespace: string;
let connection: NativeConnection;
let client: Client;
let codePath: string;

test.before(async () => {
  namespace = await freshNamespace(log, 'erasures');
  connection = await NativeConnection.connect({ address: process.env.MUSUBI_TEMPORAL_ADDRESS ?? '' });
  client = new Client({ connection, namespace });
  codePath = await workflowBundle(false);
  for (let known = false; !known; await delay(200))
    // Not every part of Temporal knows the namespace at once.
    known = await registerSearchAttributes(connection, namespace).then(
      () => true,
      () => false,
    );
});
test.after.always(() => connection?.close());

/** Runs the Schedule's workflow with these services. */
async function run({ peers }: Services, options = {}): Promise<ErasureReport> {
  return await withWorker(peers, options, (taskQueue) =>
    client.workflow.execute('upkeep.erasures', { workflowId: randomUUID(), taskQueue }),
  );
}

async function withWorker<T>(peers: Services['peers'], options: object, work: (taskQueue: string) => Promise<T>): Promise<T> {
  const taskQueue = queueOfDomain('member');
  const activities = { 'upkeep.erasures': () => eraseDeleted({ client, peers, log }, options) };
  const worker = await createWorker({
    connection,
    namespace,
    taskQueue,
    codePath,
    activities,
    tracing: startTelemetry('test', {}),
  });
  return await worker.runUntil(work(taskQueue));
}

const members = (count: number): string[] => Array.from({ length: count }, () => randomUUID()).sort();
const lastOf = ({ notes }: Services, id: string) => notes.flat().findLast(({ memberId }) => memberId === id);

test('everybody that any service knows of is erased in every service, and it is noted what was erased where', async (t) => {
  const [a = '', b = '', c = '', d = ''] = members(4);
  const all = services({ auth: [a, b], query: [b, c, d] });
  all.foreign.add(d);
  all.pending.add(c);
  const so = await run(all);
  const erased = Object.fromEntries(ERASERS.map((name) => [`${name}.things`, 6]));
  t.deepEqual(so, { members: 3, waiting: 1, erased, away: [], overdue: { count: 0 } });
  t.deepEqual(lastOf(all, c), {
    memberId: c,
    erased: ERASERS.map((name) => ({ place: `${name}.things`, count: 2 })),
    waitingFor: ['member'],
  });
  t.deepEqual(lastOf(all, a)?.waitingFor, []);
  // A restored backup has one again.
  all.kept.get('query')?.add(b);
  t.deepEqual((await run(all)).erased, { 'query.things': 2 });
});

test('whom Kafka has lost, or has from somebody else, Auth tells of again', async (t) => {
  const [a = '', b = '', c = ''] = members(3);
  const all = services({ auth: [a, b], query: [b, c] });
  await run(all);
  t.deepEqual(all.untold.splice(0), [a]);
  all.away.add('query');
  await run(all);
  t.deepEqual(all.untold.splice(0), [], 'nobody knows');
  all.away.clear();
  all.forged.add('query');
  await run(all);
  t.deepEqual(all.untold, [a, b]);
});

test('a run says in words what it has come to', (t) => {
  const nothing = { members: 2, waiting: 0, erased: {}, away: [], overdue: { count: 0 } };
  t.is(erasuresInWords(nothing), 'Looked at 2 deleted members. There was nothing to erase.');
  const erased = { 'member.events': 3, 'temporal.histories': 1 };
  t.is(
    erasuresInWords({ ...nothing, waiting: 1, erased, away: ['query'], overdue: { count: 1, first: 'm' } }),
    'Looked at 2 deleted members. Erased: 3 in member.events, 1 in temporal.histories. Of 1 something is left, for a later run. **Away:** query. **1 not erased within a day**, first m.',
  );
  t.is(unendingInWords({ count: 0 }), 'Each job that has not ended has its workflow.');
  t.regex(unendingInWords({ count: 2, first: 'j' }), /^\*\*Job j and 1 more can not end, .*\*\*$/);
});

test('whom Auth knows to be deleted is erased, whatever others were told of it by Kafka', async (t) => {
  const [a = '', b = ''] = members(2);
  const all = services({ auth: [a], query: [a, b] });
  all.forged.add('query');
  t.like(await run(all), { members: 1, waiting: 0 });
  t.deepEqual(lastOf(all, a)?.waitingFor, []);
  t.is(lastOf(all, b), undefined);
});

test('what a service that is away keeps waits for it, and the report says so; without Auth nothing is done', async (t) => {
  const [a = ''] = members(1);
  const all = services({ auth: [a], query: [a] });
  all.away.add('member').add('query');
  t.like(await run(all), { waiting: 1, away: ['member', 'query'], erased: { 'auth.things': 2, 'role.things': 2 } });
  t.deepEqual(lastOf(all, a)?.waitingFor, ['member', 'query']);
  all.away.clear();
  t.deepEqual(await run(all), {
    members: 1,
    waiting: 0,
    away: [],
    erased: { 'member.things': 2, 'query.things': 2 },
    overdue: { count: 0 },
  });
  all.away.add('auth');
  const comesBack = delay(2_000).then(() => all.away.clear());
  t.like(await run(all), { members: 1, waiting: 0, away: [] }, 'it is waited for');
  await comesBack;
});

test('more than a page, and one that is cut off goes on at its page', async (t) => {
  const ids = members(1_203);
  const all = services({
    auth: ids.filter((_, at) => at % 3 !== 0),
    query: ids.filter((_, at) => at % 2 === 0 || at % 3 === 0),
  });
  all.fail();
  const so = await run(all);
  t.like(so, { members: ids.length, waiting: 0 });
  t.deepEqual(
    all.notes.flat().map(({ memberId }) => memberId),
    ids,
    'each once, in order',
  );
  t.true(all.asked.length >= 4, 'the page that was cut off is done again');
  t.is(all.asked.filter((page) => page[0] === ids[0]).length, 1, 'those before it are not');
});

const open = (aggregate: string, more: { command?: string; outcome?: string } = {}): Promise<WorkflowHandle> => {
  const { command = 'member.update', outcome } = more;
  const workflowId = randomUUID();
  return client.workflow.start('nobody.runs-it', {
    workflowId,
    taskQueue: 'nobody',
    args: [{ displayName: 'Hanako' }],
    typedSearchAttributes: [
      { key: SEARCH_ATTRIBUTES.aggregate, value: aggregate },
      { key: SEARCH_ATTRIBUTES.command, value: command },
      ...(outcome === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.outcome, value: outcome }]),
    ],
  });
};
const isThere = (handle: WorkflowHandle): Promise<boolean> =>
  handle.describe().then(
    () => true,
    () => false,
  );
const listed = (query: string, count: number) => until(async () => (await client.workflow.count(query)).count === count);

test('the histories of what was done to a member go, but one that may yet be needed stays until it is not', async (t) => {
  const [a = '', other = ''] = members(2);
  const all = services({ auth: [a] });
  const [running, stopped, done, forgotten, another] = await Promise.all([open(a), open(a), open(a), open(a), open(other)]);
  for (const handle of [stopped, done, forgotten, another]) await handle.terminate('by the test');
  all.jobs.set(stopped.workflowId, JobState.JOB_STATE_RUNNING).set(done.workflowId, JobState.JOB_STATE_COMPLETED);
  await listed(`MusubiAggregate = '${a}' and ExecutionStatus != 'Running'`, 3);
  await listed(`MusubiAggregate = '${a}'`, 4);

  t.like(await run(all), { waiting: 1, erased: { 'temporal.histories': 2 } });
  t.deepEqual(lastOf(all, a)?.waitingFor, ['temporal']);
  await until(async () => !(await isThere(done)) && !(await isThere(forgotten)));
  t.deepEqual(await Promise.all([running, stopped, another].map(isThere)), [true, true, true]);
  all.away.add('job');
  await listed(`MusubiAggregate = '${a}'`, 2);
  t.like(await run(all), { waiting: 1 }, 'nobody knows whether it is needed');
  all.away.clear();

  await running.terminate('by the test');
  all.jobs.set(stopped.workflowId, JobState.JOB_STATE_FAILED);
  await listed(`MusubiAggregate = '${a}' and ExecutionStatus != 'Running'`, 2);
  t.like(await run(all), { waiting: 0, erased: { 'temporal.histories': 2 } });
  await until(async () => !(await isThere(running)) && !(await isThere(stopped)));
  t.true(await isThere(another));
  await another.terminate().catch(() => undefined);
});

test('the history of a registration that was refused goes, too', async (t) => {
  const all = services({});
  const refused = await open(randomUUID(), { command: 'member.register', outcome: 'refused' });
  const failed = await open(randomUUID(), { command: 'member.register', outcome: 'failed' });
  const needed = await open(randomUUID(), { command: 'member.register', outcome: 'cancelled' });
  for (const handle of [refused, failed, needed]) await handle.terminate('by the test');
  all.jobs.set(needed.workflowId, JobState.JOB_STATE_RUNNING);
  await listed(`MusubiCommand = 'member.register' and ExecutionStatus != 'Running'`, 3);
  t.deepEqual((await run(all)).erased, {}, 'not at once');
  t.deepEqual((await run(all, { refusedKeptMs: -60_000 })).erased, { 'temporal.refused_registrations': 1 });
  await until(async () => !(await isThere(refused)));
  t.true(await isThere(failed), 'somebody should look at it');
  t.true(await isThere(needed), 'its job has not ended');
  all.jobs.set(needed.workflowId, JobState.JOB_STATE_CANCELLED);
  await listed(`MusubiCommand = 'member.register' and ExecutionStatus != 'Running'`, 2);
  t.deepEqual((await run(all, { refusedKeptMs: -60_000 })).erased, { 'temporal.refused_registrations': 1 });
});

test('a member that is not erased within a day is a finding', async (t) => {
  const [a = '', b = ''] = members(2);
  const all = services({ auth: [a, b] });
  all.overdue.push(a, b);
  const lifecycle = new Lifecycle(log, 5_000);
  lifecycle.markStarted();
  tellOfErasures(lifecycle, () => client, { readEveryMs: 100 });
  const finding = async (): Promise<string> => (await lifecycle.attention()).erasures ?? '';
  await makeSchedules(client);
  const schedule = client.schedule.getHandle('upkeep.erasures');
  await withWorker(all.peers, {}, async () => {
    await schedule.trigger();
    await until(async () => (await finding()) !== '');
    t.is(await finding(), `member ${a} and 1 more can not be erased within a day: node main.ts erasures`);
    all.overdue.splice(0);
    await schedule.trigger();
    await until(async () => (await finding()) === '');
  });
  await schedule.pause('by the test');
  await until(async () => /deleted members are not erased, .* is paused/.test(await finding()));
  await lifecycle.stop('tested');
});
