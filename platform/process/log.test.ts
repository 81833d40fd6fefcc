import { spawnSync } from 'node:child_process';
import test from 'ava';

/** What is logged by statements that have a `log`. */
function logged(statements: string): string {
  const script = `import { createLogger } from './log.ts'; const log = createLogger('test', 'info'); ${statements}`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  return stdout;
}

test('secrets are masked in logs at every depth that is used', (t) => {
  const line = logged(`
    log.info({ password: 'hunter2', body: { refreshToken: 'hunter2', loginId: 'hana' }, request: { headers: { authorization: 'Bearer hunter2' } } }, 'x');`);
  t.regex(line, /hana/);
  t.notRegex(line, /hunter2/);
  t.is(JSON.parse(line).level, 'info');
});

test('so are those of lists, of errors and of what a logger always says', (t) => {
  const lines = logged(`
    log.info({ all: [{ token: 'hunter2', name: 'hana' }] });
    log.error({ err: Object.assign(new Error('no'), { cookie: 'hunter2', request: { password: 'hunter2' }, code: 'E1' }) });
    log.child({ accessToken: 'hunter2', jobId: 'j1' }).info('x');
    log.error({ err: null }); log.error({ err: 'only words' });`);
  t.notRegex(lines, /hunter2/);
  const [list, error, child, none, words] = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.deepEqual(list.all, [{ token: '[secret]', name: 'hana' }]);
  t.like(error.err, { type: 'Error', message: 'no', code: 'E1', cookie: '[secret]', request: { password: '[secret]' } });
  t.like(child, { accessToken: '[secret]', jobId: 'j1' });
  t.like([none.err, words.err], [null, 'only words']);
});

test('what is logged stays as it was', (t) => {
  const lines = logged(`const body = { token: 'x', deep: { token: 'x' } }; log.info({ body }); log.info(JSON.stringify(body));`);
  const [, said] = lines.trim().split('\n');
  t.deepEqual(JSON.parse(JSON.parse(said ?? '').msg), { token: 'x', deep: { token: 'x' } });
});

test('programs of one process are logged in the order in which it happened', (t) => {
  const lines = logged(`
    const other = createLogger('other', 'info');
    for (let at = 0; at < 1000; at++) {
      (at % 2 ? log : other).info({ at });
      if (at % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }`);
  const told = lines
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { at: number }).at);
  t.deepEqual(
    told,
    Array.from({ length: 1_000 }, (_, at) => at),
  );
});
