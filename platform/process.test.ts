import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';

// A process of its own for each case: what is tested is how it ends.

/** Starts a role whose stop takes as long as `stop` says, and waits until it is ready. `work` is what it does then. */
async function start(
  stop: string,
  env: Record<string, string> = {},
  work = '',
): Promise<{ child: ChildProcess; ended: Promise<number | null>; output(): string }> {
  const script = `
    import { runProcess } from './process.ts';
    await runProcess('test', {}, process.env, async ({ lifecycle }) => {
      lifecycle.onStop('work', 'intake', ${stop});
      setInterval(() => {}, 1_000);
      ${work}
    });`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    cwd: import.meta.dirname,
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // Not 'exit': at that moment what it said last may still be on its way.
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const ready = (async () => {
    while (!output.includes('"ready"')) await once(child.stdout, 'data');
  })();
  await Promise.race([ready, ended]);
  return { child, ended, output: () => output };
}

test('SIGTERM stops in order, and the process ends with 0', async (t) => {
  const { child, ended, output } = await start('async () => { await new Promise((resolve) => setTimeout(resolve, 100)); }');
  child.kill('SIGTERM');
  t.is(await ended, 0, output());
  t.regex(output(), /"stopped"/);
});

test('a second signal forces a stop that hangs', async (t) => {
  const { child, ended, output } = await start('() => new Promise(() => {})', { MUSUBI_STOP_TIMEOUT: '60' });
  child.kill('SIGTERM');
  while (!output().includes('"stopping"')) await once(child.stdout ?? child, 'data');
  child.kill('SIGINT');
  t.is(await ended, 1, output());
  t.regex(output(), /"forced"/);
});

test('a stop that hangs ends at its time limit', async (t) => {
  const { child, ended, output } = await start('() => new Promise(() => {})', { MUSUBI_STOP_TIMEOUT: '1' });
  child.kill('SIGTERM');
  t.is(await ended, 0, output());
  t.regex(output(), /did not stop in order/);
});

test('a wrong configuration ends with 2 and names every variable', async (t) => {
  const { ended, output } = await start('() => {}', { MUSUBI_LOG_LEVEL: 'loud', MUSUBI_STOP_TIMEOUT: 'never' });
  t.is(await ended, 2);
  t.regex(output(), /MUSUBI_LOG_LEVEL/);
  t.regex(output(), /MUSUBI_STOP_TIMEOUT/);
});

test('a defect that nobody caught stops the process, for a supervisor to start it anew', async (t) => {
  const { ended, output } = await start('() => {}', {}, 'setTimeout(() => { throw new Error("nobody caught this"); }, 500)');
  t.is(await ended, 1, output());
  t.regex(output(), /nobody caught this/);
});
