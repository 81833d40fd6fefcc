import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { until } from '../platform/until.fixture.ts';
import { Component, ComponentFailed, type State } from './component.ts';
import { PidsFile } from './pids.ts';

const folder = mkdtempSync(join(tmpdir(), 'musubi-component-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** A component that runs a script; the script says `up` in its log when it is ready. */
function component(
  t: ExecutionContext,
  script: string,
  { supervise = true, readyMs = 60_000, graceMs = 5_000, mayBeKilled = false } = {},
) {
  const base = join(folder, t.title.replaceAll(/\W/g, '-'));
  const states: State[] = [];
  const details: (string | undefined)[] = [];
  const log = `${base}.log`;
  let starts = 0;
  const it = new Component(
    {
      name: 'sample',
      log,
      readyMs,
      graceMs,
      mayBeKilled,
      stopSignal: 'SIGTERM',
      launch: async () => {
        starts++;
        return { command: process.execPath, args: ['-e', script] };
      },
      probe: async () => {
        const ups = readFileSync(log, 'utf8').split('up\n').length - 1;
        if (ups < starts) throw new Error('not up yet');
      },
    },
    new PidsFile(`${base}.json`),
    supervise,
    (state, detail) => {
      states.push(state);
      details.push(detail);
    },
  );
  t.teardown(() => it.stop(0));
  return { it, states, said: () => details.at(-1) };
}

const SERVES = "console.log('up'); setInterval(() => {}, 1000)";

test('is ready when it answers, and stops when asked', async (t) => {
  const { it, states } = component(t, SERVES);
  await it.start();
  t.is(typeof it.pid, 'number');
  await it.stop();
  t.is(it.pid, undefined);
  t.deepEqual(states, ['starting', 'ready', 'stopped']);
});

test('who does not heed the request is forced after its grace, and that is told', async (t) => {
  const { it, said } = component(t, `process.on('SIGTERM', () => {}); ${SERVES}`, { graceMs: 200 });
  await it.start();
  const began = Date.now();
  await it.stop();
  t.is(it.pid, undefined);
  t.true(Date.now() - began < 30_000);
  t.is(said(), 'killed, because it did not end in 0.2 s');
});

const STOPS = {
  'by the signal that asked for it': [SERVES, undefined],
  'with the exit code that Java makes of it': [`process.on('SIGTERM', () => process.exit(143)); ${SERVES}`, undefined],
  'with an error': [`process.on('SIGTERM', () => process.exit(3)); ${SERVES}`, 'ended (exit code 3)'],
} as const;
for (const [how, [script, told]] of Object.entries(STOPS)) {
  test(`of who stops ${how}, ${told ? 'that' : 'nothing'} is told`, async (t) => {
    const { it, states, said } = component(t, script);
    await it.start();
    await it.stop();
    t.deepEqual(states, ['starting', 'ready', 'stopped']);
    t.is(said(), told);
  });
}

test('of who is stopped by killing it nothing is told', async (t) => {
  const { it, states, said } = component(t, `process.on('SIGTERM', () => {}); ${SERVES}`, { graceMs: 200, mayBeKilled: true });
  await it.start();
  await it.stop();
  t.is(states.at(-1), 'stopped');
  t.is(said(), undefined);
});

test('who dies unasked is started again, with another number', async (t) => {
  const { it, states } = component(t, SERVES);
  await it.start();
  const before = it.pid as number;
  process.kill(before, 'SIGKILL');
  await until(() => states.filter((state) => state === 'ready').length === 2);
  t.not(it.pid, before);
  t.true(states.includes('restarting'));
});

test('who is killed on purpose stays down until it is started', async (t) => {
  const { it, states } = component(t, SERVES);
  await it.start();
  await it.kill('SIGKILL');
  await sleep(600);
  t.is(it.pid, undefined);
  t.false(states.includes('restarting'));
  await it.start();
  t.is(typeof it.pid, 'number');
});

test('without supervision an accident is told and left', async (t) => {
  const { it, states } = component(t, SERVES, { supervise: false });
  await it.start();
  process.kill(it.pid as number, 'SIGKILL');
  await until(() => states.at(-1) === 'stopped');
  await sleep(400);
  t.is(it.pid, undefined);
});

test('who cannot start is an error with the end of its log', async (t) => {
  const { it } = component(t, "console.log('the disk is full'); process.exit(1)");
  const error = await t.throwsAsync<ComponentFailed>(it.start(), { instanceOf: ComponentFailed });
  t.regex(error?.message ?? '', /sample ended while it was starting/);
  t.regex(error?.lastLines() ?? '', /the disk is full/);
});

test('who runs but never answers is given up, and ended', async (t) => {
  const { it } = component(t, 'setInterval(() => {}, 1000)', { readyMs: 500 });
  await t.throwsAsync(it.start(), { message: /was not ready after 0.5 s: not up yet/ });
  t.is(it.pid, undefined);
});

/** A script that does `steps[0]` when it is started first, `steps[1]` the second time, …, and the last one from then on. */
function byStart(t: ExecutionContext, steps: string[]): string {
  const file = JSON.stringify(join(folder, `${t.title.replaceAll(/\W/g, '-')}.starts`));
  const starts = `const fs = require('fs'); fs.appendFileSync(${file}, 'x'); const starts = fs.readFileSync(${file}).length;`;
  const cases = steps.slice(0, -1).map((step, at) => `if (starts === ${at + 1}) { ${step} }`);
  return `${starts} ${[...cases, `{ ${steps.at(-1)} }`].join(' else ')}`;
}

test('who was ready once is started again and again', async (t) => {
  const { it, states } = component(
    t,
    byStart(t, [SERVES, ...Array(5).fill('process.exit(1)'), `console.log('up\\n'.repeat(5)); ${SERVES}`]),
  );
  await it.start();
  process.kill(it.pid as number, 'SIGKILL');
  await until(() => states.filter((state) => state === 'ready').length === 2);
  t.is(typeof it.pid, 'number');
  t.false(states.includes('failed'));
});

test('who was ready once may take longer than a start', async (t) => {
  const { it, states } = component(t, byStart(t, [SERVES, `setTimeout(() => { ${SERVES} }, 1500)`]));
  await it.start();
  it.plan.readyMs = 100;
  process.kill(it.pid as number, 'SIGKILL');
  await until(() => states.filter((state) => state === 'ready').length === 2);
  t.is(states.filter((state) => state === 'starting').length, 2, 'the same process');
});

test('a paused process can still be stopped', async (t) => {
  const { it } = component(t, SERVES);
  await it.start();
  await it.kill('SIGSTOP');
  await it.stop();
  t.is(it.pid, undefined);
});
