import { existsSync } from 'node:fs';
import { DefaultLogger, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import test from 'ava';
import { WORKER_TUNING } from '../temporal.config.ts';
import { workflowBundle } from '../worker/bundle.ts';
import { BRANCHES, type Branch } from './branches.fixture.ts';
import { bundleForTest } from './bundle.fixture.ts';
import { type Carried, ENGINE_VERSION } from './carried.ts';
import { type History, historyFile, historyNamed, historyNames, VERSIONS, type WorkflowName } from './history.fixture.ts';
import * as workflows from './index.ts';
import * as sagas from './sagas.ts';
import type { Undoing } from './undo.ts';

// Workflows that run when a new version is deployed go on with its code, so every history must lead the new code to the
// same commands. A test fails here → gate the change by `since(version)` (saga.ts).

/** What each history's replay failed with, by its name, without and with spans of the workflow's own: a process may run either. */
const failures = { plain: new Map<string, Error | undefined>(), spans: new Map<string, Error | undefined>() };
const isOfTest = (name: string): boolean => !Object.hasOwn(workflows, name.split('/')[1] ?? '');

test.before(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
  const { reuseV8Context } = WORKER_TUNING;
  const replay = async (
    workflowBundle: WorkflowBundleOption,
    isWanted: (name: string) => boolean,
    found: typeof failures.plain,
  ) => {
    const sinks = { exporter: { export: { fn: () => undefined } } };
    const names = historyNames().filter(isWanted);
    const histories = names.map((name) => ({ workflowId: idOf(name), history: historyNamed(name) }));
    const byId = new Map(names.map((name) => [idOf(name), name]));
    const results = Worker.runReplayHistories({ workflowBundle, reuseV8Context, sinks }, histories);
    for await (const { workflowId, error } of results) found.set(byId.get(workflowId) ?? '', error);
  };
  await replay(await bundleForTest({ workflows: 'replayed.fixture.ts' }), () => true, failures.plain);
  await replay({ codePath: await workflowBundle(true) }, (name) => !isOfTest(name), failures.spans);
});

/** The ID that the workflow had, of which those of its operations and of its children are made. */
const idOf = (name: string): string =>
  historyNamed(name).events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId || name;

for (const name of historyNames()) {
  test(`history ${name} replays`, (t) => {
    for (const [kind, found] of Object.entries(isOfTest(name) ? { plain: failures.plain } : failures)) {
      t.true(found.has(name));
      t.is(found.get(name), undefined, kind);
    }
  });
}

/** What every saga has a history of; those of what the engine does are of one saga. */
const ALWAYS = ['done', 'compensated'];
const ENGINES = Array.from({ length: ENGINE_VERSION }, (_, i) => i + 1);

test('every branch of every workflow has its history', (t) => {
  const without = BRANCHES.map(({ command, branch }) => historyFile(command, branch)).filter((file) => !existsSync(file));
  for (const [command, version] of VERSIONS) {
    if (!Object.hasOwn(sagas, command)) continue;
    // Those of older versions stay, on the engine that they ran on: runs that began with them may go on with this code.
    for (let v = 1; v <= version; v++) {
      for (const branch of ALWAYS) {
        const [file = '', ...older] = ENGINES.map((engine) => historyFile(command as WorkflowName, branch, v, engine)).reverse();
        if (![file, ...older].some(existsSync)) without.push(file);
      }
    }
  }
  for (const engine of ENGINES)
    t.true(
      historyNames().some((name) => name.startsWith(`saga@${engine}/`)),
      `saga@${engine}`,
    );
  t.deepEqual(without, [], 'npm run record-histories');
});

test('every history ends as its branch does', (t) => {
  for (const name of historyNames()) {
    const [engine, command, branch] = name.replace(/\.v\d+$/, '').split('/');
    if (engine !== `saga@${ENGINE_VERSION}`) continue;
    const status = BRANCHES.find((known) => known.command === command && known.branch === branch)?.status;
    // An older version may have had others.
    if (status) t.is(statusOf(historyNamed(name)), status, name);
  }
});

/** What one run hands on to another, of this release. */
const CARRIED: Record<keyof Carried, true> = {
  permit: true,
  engine: true,
  version: true,
  answers: true,
  itemsDone: true,
  grown: true,
  written: true,
  tooLate: true,
  undoing: true,
  around: true,
};
const UNDOING: Record<keyof Undoing, true> = { why: true, how: true, done: true, total: true, unsure: true, last: true };

test('all that one run hands on to another is in a history, where a run began with it', (t) => {
  const carried = historyNames().flatMap((name) => carriedIn(historyNamed(name)) ?? []);
  const undoing = carried.flatMap(({ undoing }) => undoing ?? []);
  const fieldsOf = (objects: object[]): string[] => [...new Set(objects.flatMap(Object.keys))].sort();
  t.deepEqual(fieldsOf(carried), Object.keys(CARRIED).sort());
  t.deepEqual(fieldsOf(undoing), Object.keys(UNDOING).sort());
  const half = carried.map(({ itemsDone = {} }) => itemsDone).find((items) => Object.keys(items).length > 0);
  t.deepEqual(half, { 'auth.suspendLogin': 30 }, 'of 40');
  t.true(undoing.some(({ done, total, unsure }) => done > 0 && done < total && unsure.length > 0));
});

/** What the run began with besides its input. */
function carriedIn({ events }: History): Partial<Carried> | undefined {
  const data = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[1]?.data;
  return data ? (JSON.parse(Buffer.from(data).toString()) as Partial<Carried>) : undefined;
}

function statusOf({ events }: History): Branch['status'] | undefined {
  const end = events?.at(-1);
  if (end?.workflowExecutionCompletedEventAttributes) return 'COMPLETED';
  if (end?.workflowExecutionFailedEventAttributes) return 'FAILED';
  if (end?.workflowExecutionCanceledEventAttributes) return 'CANCELLED';
  return undefined;
}
