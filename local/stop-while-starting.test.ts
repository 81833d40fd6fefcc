import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
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
