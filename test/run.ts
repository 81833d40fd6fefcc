import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from '../local/layouts.ts';
import { readOptions } from '../local/options.mjs';
import { wheelBinary } from '../local/packages/wheels.ts';
import { type Stack, startStack } from '../local/stack.ts';
import { stopRequest } from '../local/stop-request.ts';
import { serveCollector } from './collector.ts';
import { serveControl } from './control.ts';
import { pauseReconciler } from './pause-reconciler.ts';
import { withoutTests } from './runner/chosen.ts';
import { neverEnded, slowest } from './runner/file-times.ts';
import { endLeftBehind } from './runner/left-behind.ts';
import { brief, type Tally, tally } from './runner/tap.ts';

/**
 * `npm test`: starts the real stack on free ports, runs every test against it, stops it and removes its data. What
 * disturbs the whole system (test/faults) runs after the rest, on the same data.
 * Files and `--match` are ava's: `npm test -- services/member`.
 */
const root = join(import.meta.dirname, '..');
const { values, positionals } = readOptions('test/run.ts', process.argv.slice(2));
const wrong = withoutTests(positionals, root);
if (wrong.length > 0) {
  process.stderr.write(`no test file matches ${wrong.join(', ')}\n`);
  process.exit(2);
}
const dataDir = join(root, '.musubi', `test-${process.pid}`);
mkdirSync(dataDir, { recursive: true, mode: 0o700 });

let stack: Stack | undefined;
let stopped: Promise<void> | undefined;
const stop = (): Promise<void> => {
  stopped ??= (async () => {
    await stack?.stop();
    await endLeftBehind(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  })();
  return stopped;
};
const request = stopRequest(() => process.exit(130));
void request.asked.then(stop).then(() => process.exit(130));

/** Failures are printed once more at the end, where nobody has to look for them. */
const total: Tally = { passed: 0, failed: 0, failures: [] };
const begun = Date.now();
try {
  const collector = await serveCollector();
  // Only what a test asks for, with a sampled traceparent, is recorded: the rest runs as it does by default.
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER: 'parentbased_always_off' };
  // A few members stand for many: what bounds one member's commands over time would bound the load that tests make.
  const manyCommands = { MUSUBI_JOB_RATE_PER_MEMBER: '100000+100000/1s' };
  const manyRenames = { MUSUBI_AUTH_RENAMES: '100000+100000/1s' };
  const onStack = async (processes: Layout, phase: Record<string, string> = {}): Promise<void> => {
    const started = Date.now();
    stack = await startStack({
      dataDir,
      runFile: join(dataDir, 'run.json'),
      ports: 'free',
      processes,
      env: { ...tracing, ...manyCommands, ...(phase.MUSUBI_TEST_PHASE === 'faults' ? manyRenames : {}) },
      signal: request.signal,
      onProgress: ({ component, title, state, detail }) =>
        void (state === 'ready' && process.stdout.write(`# ${title || component} is ready${detail ? `: ${detail}` : ''}\n`)),
    });
    process.stdout.write(`# the stack is ready after ${elapsed(started)}\n`);
    await pauseReconciler(stack.addresses.MUSUBI_TEMPORAL_ADDRESS ?? '');
    const control = await serveControl(stack);
    const env = {
      ...process.env,
      ...stack.addresses,
      MUSUBI_ADMIN_LOGIN_ID: stack.admin.loginId,
      MUSUBI_ADMIN_PASSWORD: stack.admin.password,
      MUSUBI_TEMPORAL_TEST_SERVER: await wheelBinary('temporal-test-server'),
      ...tracing,
      MUSUBI_TEST_CONTROL: control.url,
      MUSUBI_TEST_COLLECTOR: collector.url,
      MUSUBI_TEST_DATA: dataDir,
      // Each file is a process of its own: a third of the CPU of a small one is compiling what others have compiled.
      NODE_COMPILE_CACHE: join(dataDir, 'compiled-scripts'),
      MUSUBI_TEST_WHOLE: values.whole ? '1' : '',
      MUSUBI_TEST_PROCESSES: processes,
      ...phase,
    };
    add(await ava(positionals, env));
    const left = await endLeftBehind(dataDir);
    add({ passed: 0, failed: left.length, failures: left.map((command) => `tests have left this running: ${command}`) });
    control.close();
    await stack.stop();
  };
  const faultsOnly = positionals.length > 0 && positionals.every((file) => file.startsWith('test/faults'));
  if (!faultsOnly) await onStack(values.processes ?? 'few');
  // By default with a process for each program, so that one alone can be away; `npm run matrix` does both.
  const layouts: Layout[] = values.processes ? [values.processes] : values.whole ? ['few', 'each'] : ['each'];
  if (positionals.length === 0 || faultsOnly)
    for (const layout of layouts) await onStack(layout, { MUSUBI_TEST_PHASE: 'faults' });
  collector.close();
  const times = join(dataDir, 'times.jsonl');
  const told = existsSync(times) ? readFileSync(times, 'utf8') : '';
  const held = neverEnded(told);
  add({ passed: 0, failed: held.length, failures: held.map((file) => `${file} did not end by itself`) });
  for (const line of slowest(told)) process.stdout.write(`# ${line}\n`);
  process.stdout.write(`# the tests took ${elapsed(begun)}, the start of the stack included\n`);
} finally {
  await stop();
}
for (const failure of total.failures) process.stdout.write(`# failed:\n${brief(failure)}\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

function elapsed(since: number): string {
  return `${((Date.now() - since) / 1_000).toFixed(1)} s`;
}

function add({ passed, failed, failures }: Tally): void {
  total.passed += passed;
  total.failed += failed;
  total.failures.push(...failures);
}

/** Runs ava and counts, from its TAP output, what really ran. */
function ava(files: string[], env: NodeJS.ProcessEnv): Promise<Tally> {
  const match = values.match === undefined ? [] : ['--match', values.match];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'test/runner/ava.ts'), '--tap', ...match, ...files], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
      // Its tests would go on against servers that are gone.
      signal: request.signal,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      process.stdout.write(chunk);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(tally(output, code)));
  });
}
