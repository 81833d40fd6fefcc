import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Worker as Thread } from 'node:worker_threads';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import test from 'ava';
import { pino } from 'pino';
import { WORKER_TUNING } from '../temporal.config.ts';
import { bundleForTest } from '../workflows/bundle.fixture.ts';
import { makeWorkflowThreadsLean } from './workflow-threads.ts';

const require = createRequire(import.meta.url);
const lines: Record<string, unknown>[] = [];
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });

let connection: NativeConnection;
let workflowBundle: { code: string };
const taskQueue = `threads-${randomUUID()}`;
test.before(async () => {
  connection = await NativeConnection.connect({ address: process.env.MUSUBI_TEMPORAL_ADDRESS ?? '' });
  workflowBundle = await bundleForTest({ workflows: 'stuck.fixture.ts' });
  makeWorkflowThreadsLean({ log, stuckAfterMs: 600, checkEveryMs: 100 });
});
test.after.always(() => connection?.close());

/** How often the workflow has asked whether it keeps its thread for ever. */
let told = 0;
const activities = { forEver: async () => ++told === 1 };
const create = () => Worker.create({ ...WORKER_TUNING, connection, taskQueue, workflowBundle, activities });

test.serial('workflows run without a stack trace for each promise, and without a time limit for each call', async (t) => {
  const worker = await create();
  const client = new Client({ connection });
  await worker.runUntil(async () => {
    const handle = await client.workflow.start('quiet', { workflowId: randomUUID(), taskQueue, workflowTaskTimeout: '2s' });
    t.is(await handle.result(), 'through');
    await t.throwsAsync(handle.query<string>('__stack_trace'), { message: /stack traces are not enabled/ });
  });
});

test.serial('a workflow that does not give its thread back is named, its thread ended, and its task tried again', async (t) => {
  const client = new Client({ connection });
  const first = await create();
  const failed = t.throwsAsync(first.run(), { message: /Workflow Worker Thread exited/ });
  const handle = await client.workflow.start('stuck', { workflowId: randomUUID(), taskQueue, workflowTaskTimeout: '2s' });
  await failed;
  const ended = lines.find(({ workflowId }) => workflowId === handle.workflowId);
  t.like(ended, { level: 50, workflowType: 'stuck', runId: handle.firstExecutionRunId });
  const second = await create();
  await second.runUntil(async () => t.is(await handle.result(), 'through'));
  t.is(told, 2);
});

test('in a lean thread a call into the sandbox has no time limit', async (t) => {
  const code = `
    import vm from 'node:vm';
    import { parentPort } from 'node:worker_threads';
    const script = new vm.Script('for (const end = Date.now() + 50; Date.now() < end; );');
    script.runInContext(vm.createContext({ Date }), { timeout: 1 });
    parentPort.postMessage('through');`;
  const lean = new URL('./lean-workflow-thread.ts', import.meta.url).href;
  const thread = new Thread(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { execArgv: ['--import', lean] });
  t.deepEqual(await once(thread, 'message'), ['through']);
});

test('the SDK is the one whose threads are made lean', (t) => {
  // Another version may call what is replaced by another name, or offer options for it: look before you change this.
  t.is((require('@temporalio/worker/package.json') as { version: string }).version, '1.23.0');
  const source = (name: string): string => readFileSync(require.resolve(`@temporalio/worker/lib/workflow/${name}.js`), 'utf8');
  t.regex(source('threaded-vm'), /new node_worker_threads_1\.Worker\(require\.resolve\('\.\/workflow-worker-thread'\)\)/);
  t.regex(source('vm-shared'), /node_v8_1\.default\.promiseHooks\.createHook\(/);
  t.regex(source('vm-shared'), /v8\.promiseHooks\.createHook is not available/);
  t.regex(source('reusable-vm'), /callIntoVmScript\.runInContext\(context, \{\s*timeout: isolateExecutionTimeoutMs/);
});
