import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { checkout } from './places.ts';
import { type Progress, startStack } from './stack.ts';

/** A start on the servers of this test run, with data of its own, which is stopped as soon as one of its components says this. */
async function stoppedAt(component: string, state: Progress['state']) {
  const dataDir = mkdtempSync(join(tmpdir(), 'musubi-stopped-'));
  const ending = new AbortController();
  const said: Progress[] = [];
  const onProgress = (progress: Progress): void => {
    said.push(progress);
    if (progress.component === component && progress.state === state) ending.abort(new Error('asked to stop'));
  };
  try {
    const outcome = await startStack({ dataDir, ports: 'free', processes: 'each', signal: ending.signal, onProgress }).catch(
      (error: Error) => error,
    );
    return { outcome, said };
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

test('a start that is stopped while the last process starts begins nothing more', async (t) => {
  const { outcome, said } = await stoppedAt('relay', 'starting');
  t.true(outcome instanceof Error);
  t.is((outcome as Error).message, 'the stack is being stopped');
  t.deepEqual(
    said.filter(({ component }) => component === 'bootstrap'),
    [],
  );
});

test('a start that is cut short says that it stops and has stopped, and ends as what Ctrl-C has ended', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'musubi-cut-short-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const args = [join(checkout, 'local/start.ts'), '--port', '0', '--data', dataDir];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  t.deepEqual(await once(child, 'close'), [130, null]);
  t.regex(said, /\nstopping …\n(.*\n)*Musubi has stopped\n$/);
  t.notRegex(said, /Musubi is ready/);
});
