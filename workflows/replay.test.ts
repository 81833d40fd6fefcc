import { existsSync } from 'node:fs';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import test from 'ava';
import { WORKER_TUNING } from '../temporal.config.ts';
import { workflowBundle } from '../worker/bundle.ts';
import { BRANCHES } from './branches.fixture.ts';
import { historyFile, historyNamed, historyNames } from './history.fixture.ts';
import * as workflows from './index.ts';

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

test('every branch of every workflow has its history', (t) => {
  const without = BRANCHES.filter(({ command, branch }) => !existsSync(historyFile(command, branch)));
  t.deepEqual(
    without.map(({ command, branch }) => `${command}/${branch}`),
    [],
    'npm run record-histories',
  );
  t.deepEqual([...new Set<string>(BRANCHES.map(({ command }) => command))].sort(), Object.keys(workflows).sort());
});
