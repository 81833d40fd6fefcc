import { existsSync } from 'node:fs';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import test from 'ava';
import { WORKER_TUNING } from '../temporal.config.ts';
import { workflowBundle } from '../worker/bundle.ts';
import { BRANCHES, type Branch } from './branches.fixture.ts';
import { type History, historyFile, historyNamed, historyNames, VERSIONS, type WorkflowName } from './history.fixture.ts';
import { ENGINE_VERSION } from './run.ts';

// Workflows that run when a new version is deployed go on with its code: whatever history they have, it must lead
// the new code to the same commands. A test fails here → gate the change by `since(version)` (saga.ts).

/** What each history's replay failed with, by its name, without and with spans of the workflow's own: a process may run either. */
const failures = { plain: new Map<string, Error | undefined>(), spans: new Map<string, Error | undefined>() };

test.before(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
  for (const kind of ['plain', 'spans'] as const) {
    const options = {
      workflowBundle: { codePath: await workflowBundle(kind === 'spans') },
      reuseV8Context: WORKER_TUNING.reuseV8Context,
      sinks: { exporter: { export: { fn: () => undefined } } },
    };
    for await (const { workflowId, error } of Worker.runReplayHistories(options, committed()))
      failures[kind].set(workflowId, error);
  }
});

function* committed() {
  for (const name of historyNames()) yield { workflowId: name, history: historyNamed(name) };
}

for (const name of historyNames()) {
  test(`history ${name} replays`, (t) => {
    for (const [kind, found] of Object.entries(failures)) {
      t.true(found.has(name));
      t.is(found.get(name), undefined, kind);
    }
  });
}

/** What every workflow can come to, whatever else it can. */
const ALWAYS = ['done', 'refused', 'compensated', 'cancelled'];
const ENGINES = Array.from({ length: ENGINE_VERSION }, (_, i) => i + 1);

test('every branch of every workflow has its history', (t) => {
  const without = BRANCHES.map(({ command, branch }) => historyFile(command, branch)).filter((file) => !existsSync(file));
  for (const [command, version] of VERSIONS) {
    if (command === 'saga.recover') continue;
    // Those of older versions stay, on whatever engine they ran: runs that began with them may go on with this code.
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

function statusOf({ events }: History): Branch['status'] | undefined {
  const end = events?.at(-1);
  if (end?.workflowExecutionCompletedEventAttributes) return 'COMPLETED';
  if (end?.workflowExecutionFailedEventAttributes) return 'FAILED';
  if (end?.workflowExecutionCanceledEventAttributes) return 'CANCELLED';
  return undefined;
}
