import { spawnSync } from 'node:child_process';
import test from 'ava';

test('secrets are masked in logs at every depth that is used', (t) => {
  const script = `
    import { createLogger } from './log.ts';
    const log = createLogger('test', 'info');
    log.info({ password: 'hunter2', body: { refreshToken: 'hunter2', loginId: 'hana' }, request: { headers: { authorization: 'Bearer hunter2' } } }, 'x');`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  t.regex(stdout, /hana/);
  t.notRegex(stdout, /hunter2/);
  t.is(JSON.parse(stdout).level, 'info');
});
