import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = path.resolve(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

/** Where bundles are kept unless the environment says otherwise. */
const CACHE = path.join(ROOT, '.musubi/cache');

/**
 * The workflow code as one file that a worker loads, made once for what the sources say now: later
 * processes find it by its hash. Webpack, which makes it in 2–3 s, runs in a process of its own, so that
 * its memory is not kept by a worker that then runs for weeks.
 *
 * @param spans whether workflows make spans of their own (see workflows/trace.ts)
 * @param folder where it is kept; one that can't be written to (a read-only image) must hold it already
 * @throws when the folder has it not and can't be written to
 */
export async function workflowBundle(spans: boolean, folder = CACHE): Promise<string> {
  const file = path.join(folder, `workflows-${sourceHash(spans)}.js`);
  if (existsSync(file)) return file;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const remedy =
      'make it beforehand by `node worker/bundle.ts`, or set MUSUBI_WORKFLOW_BUNDLES to a folder that can be written to';
    throw new Error(`the workflow bundle is not in ${folder}, which cannot be written to: ${remedy}`, { cause: error });
  }
  await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), String(spans), file], { timeout: 120_000 });
  return file;
}

/** Changes with everything that goes into the bundle: the workflows, Temporal's SDK, the interceptors, how it is made. */
function sourceHash(spans: boolean): string {
  const hash = createHash('sha256').update(`spans=${spans}\n`);
  const { version } = require('@temporalio/worker/package.json') as { version: string };
  hash.update(version);
  const sources = readdirSync(path.join(ROOT, 'workflows')).filter((file) => /^[^.]+\.ts$/.test(file));
  for (const file of ['temporal.config.ts', 'worker/bundle.ts', ...sources.sort().map((source) => `workflows/${source}`)]) {
    hash.update(`\0${file}\0`).update(readFileSync(path.join(ROOT, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Bundles with webpack, in this process. */
async function bundleInto(spans: boolean, file: string): Promise<void> {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const quiet = () => undefined;
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(ROOT, 'workflows/index.ts'),
    workflowInterceptorModules: [
      spans
        ? require.resolve('@temporalio/interceptors-opentelemetry-v2/lib/workflow-interceptors')
        : path.join(ROOT, 'workflows/trace.ts'),
    ],
    // Loaded once for all workflows of a worker instead of once for each: a fifth of a saga's CPU. The SDK keeps no state in it.
    preloadModules: ['@temporalio/workflow'],
    logger: { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: console.warn, error: console.error },
  });
  // Whole or not at all, also when two processes make it at once.
  const part = `${file}.${process.pid}`;
  writeFileSync(part, SHORT_STACKS + code);
  renameSync(part, file);
}

/**
 * The SDK takes a stack trace for every promise that a workflow makes. What it costs goes by its length;
 * this many frames still say where an error in a saga is. (On the first line, so that the source map holds.)
 */
const SHORT_STACKS = 'Error.stackTraceLimit = 4;';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [spans, file] = process.argv.slice(2);
  if (spans !== undefined && file !== undefined) await bundleInto(spans === 'true', file);
  // Without arguments, for an image: every bundle that its processes may want.
  else for (const each of [false, true]) process.stdout.write(`${await workflowBundle(each)}\n`);
}
