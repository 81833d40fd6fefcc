import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';

// A process of its own for each case: what is tested is how it ends.

interface Started {
  child: ChildProcess;
  ended: Promise<number | null>;
  output(): string;
}

/** Starts a program whose stop takes as long as `stop` says, and waits until it is ready. `work` is what it does then. */
const start = (stop: string, env: Record<string, string> = {}, work = ''): Promise<Started> =>
  run(
    `[{ test: { shape: {}, start: async ({ lifecycle }) => {
      lifecycle.onStop('work', 'intake', ${stop});
      setInterval(() => {}, 1_000);
      ${work}
    } } }]`,
    env,
  );

/** Starts programs, in rounds of their stop, and waits until one is ready. */
async function run(rounds: string, env: Record<string, string> = {}): Promise<Started> {
  const script = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { z } from 'zod';
    import { address } from './config.ts';
    import { runProcess } from './process.ts';
    await runProcess(${rounds}, process.env);`;
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

/** A program that says what it reads, and when it has stopped. */
const named = (name: string, more = '') => `${name}: {
  shape: { MUSUBI_POSTGRES_URL: z.string() },
  start: async ({ config, lifecycle, log }) => {
    log.info({ reads: config.MUSUBI_POSTGRES_URL }, 'started');
    lifecycle.onStop('work', 'work', () => sleep(50));
    setInterval(() => {}, 1_000);
    ${more}
  },
}`;

interface Line {
  program: string;
  msg: string;
  reads?: string;
  port?: number;
}
const linesOf = (output: string): Line[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);

test('programs of one process read what is theirs, log under their names, and stop after those that call them', async (t) => {
  const { child, ended, output } = await run(`[{ ${named('door')} }, { ${named('one')}, ${named('other')} }]`, {
    MUSUBI_POSTGRES_URL: 'everybody',
    MUSUBI_OTHER_POSTGRES_URL: 'the other alone',
  });
  while (linesOf(output()).filter(({ msg }) => msg === 'ready').length < 3) await once(child.stdout ?? child, 'data');
  child.kill('SIGTERM');
  t.is(await ended, 0, output());
  const lines = linesOf(output());
  const started = lines.filter(({ msg }) => msg === 'started').map(({ program, reads }) => [program, reads]);
  t.deepEqual(Object.fromEntries(started), { door: 'everybody', one: 'everybody', other: 'the other alone' });
  const stopped = lines
    .filter(({ msg }) => msg === 'stopping' || msg === 'stopped')
    .map(({ program, msg }) => `${program} ${msg}`);
  t.deepEqual(stopped.slice(0, 2), ['door stopping', 'door stopped'], output());
  t.deepEqual(stopped.slice(2, 4), ['one stopping', 'other stopping']);
});

test('what is wrong with the settings of any program is said, each under its name, before one starts', async (t) => {
  const { ended, output } = await run(`[{ ${named('one')}, ${named('other')}, ${named('third')} }]`, {
    MUSUBI_THIRD_POSTGRES_URL: 'given',
    MUSUBI_POSTGRES_URL: '',
  });
  t.is(await ended, 2);
  t.deepEqual(output().match(/^\w+: The environment/gm), ['one: The environment', 'other: The environment']);
  t.notRegex(output(), /started/);
});

test('two programs that would listen at the same place are refused, with what to set', async (t) => {
  const listens = (name: string) => `${name}: { shape: { MUSUBI_GRPC_LISTEN: address() }, start: async () => {} }`;
  const { ended, output } = await run(`[{ ${listens('one')}, ${listens('other')} }]`, { MUSUBI_GRPC_LISTEN: '127.0.0.1:29999' });
  t.is(await ended, 2);
  t.regex(output(), /^other: .*\n {2}MUSUBI_GRPC_LISTEN: is where one listens: give MUSUBI_OTHER_GRPC_LISTEN\n$/);
  const any = await run(`[{ ${listens('one')}, ${listens('other')} }]`, { MUSUBI_GRPC_LISTEN: '127.0.0.1:0' });
  any.child.kill('SIGTERM');
  t.is(await any.ended, 0, `any port is each time another: ${any.output()}`);
});

test('a program that cannot start ends its process, and a task beside it does not', async (t) => {
  const task = `{ task: { shape: {}, start: async () => 'done' } }`;
  const good = await run(`[${task}, { ${named('one')} }]`, { MUSUBI_POSTGRES_URL: 'x' });
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.is(good.child.exitCode, null, good.output());
  const port = linesOf(good.output()).find(({ msg }) => msg === 'ops server listens')?.port;
  const { status } = await fetch(`http://127.0.0.1:${port}/readyz`);
  good.child.kill('SIGTERM');
  t.is(await good.ended, 0);
  t.is(status, 200, 'a task that is done is not asked how it is');
  t.is(await (await run(`[${task}]`)).ended, 0, 'alone, it ends the process when it is done');
  const bad = await run(`[{ ${named('one')}, ${named('other', `throw new Error('no store');`)} }]`, { MUSUBI_POSTGRES_URL: 'x' });
  t.is(await bad.ended, 1);
  t.regex(bad.output(), /no store/);
  t.true(
    linesOf(bad.output()).some(({ program, msg }) => program === 'one' && msg === 'stopped'),
    'the others stop in order',
  );
});

test('programs of one process stop within its time, all together', async (t) => {
  const hangs = (name: string) => named(name, `lifecycle.onStop('hangs', 'intake', () => new Promise(() => {}));`);
  const { child, ended, output } = await run(`[{ ${hangs('door')} }, { ${hangs('one')} }]`, {
    MUSUBI_POSTGRES_URL: 'x',
    MUSUBI_STOP_TIMEOUT: '2',
  });
  while (linesOf(output()).filter(({ msg }) => msg === 'ready').length < 2) await once(child.stdout ?? child, 'data');
  const began = performance.now();
  child.kill('SIGTERM');
  t.is(await ended, 0);
  t.true(performance.now() - began < 3_900, 'twice the limit');
});
