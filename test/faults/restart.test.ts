import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { login, register } from '../client.ts';

interface RunFile {
  gateway: string;
  admin: { loginId: string; password: string };
  pids: Record<string, number>;
}

/** `npm start` on a data folder of its own and free ports; resolves once it says that it is ready. */
async function start(dataDir: string): Promise<{ launcher: ChildProcess; run: RunFile; output: string }> {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MUSUBI|OTEL)_/.test(name)));
  const launcher = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../local/start.ts'), '--port', '0', '--data', dataDir],
    {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  launcher.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  launcher.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  while (!output.includes('Musubi is ready')) {
    if (launcher.exitCode !== null) throw new Error(`npm start ended with ${launcher.exitCode}:\n${output.slice(-2_000)}`);
    await sleep(50);
  }
  const file = join(dataDir, 'run.json');
  if ((statSync(file).mode & 0o077) !== 0) throw new Error('run.json can be read by others');
  return { launcher, run: JSON.parse(readFileSync(file, 'utf8')) as RunFile, output };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie answers too.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('after kill -9 of everything the next start goes on with the data, beside another instance, and stops in order', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'musubi-restart-'));
  const started: { launcher: ChildProcess; run: RunFile }[] = [];
  try {
    const first = await start(dataDir);
    started.push(first);
    t.true(first.output.includes(first.run.admin.password), 'the first start tells the password');
    const as = await login(first.run.admin.loginId, first.run.admin.password, first.run.gateway);
    const member = await register(as, 'survivor');
    const gone = once(first.launcher, 'exit');
    first.launcher.kill('SIGKILL');
    for (const pid of Object.values(first.run.pids)) process.kill(pid, 'SIGKILL');
    await gone;

    const second = await start(dataDir);
    started.push(second);
    t.false(second.output.includes(second.run.admin.password), 'a later start does not');
    const again = await login(second.run.admin.loginId, second.run.admin.password, second.run.gateway);
    t.is((await again.get(`/v1/members/${member.memberId}`)).body.loginId, member.loginId);
    t.is((await register(again, 'newcomer')).memberId.length, 36);
    await login(member.loginId, member.password, second.run.gateway);

    second.launcher.kill('SIGINT');
    const [code] = await once(second.launcher, 'exit');
    t.is(code, 0);
    t.false(existsSync(join(dataDir, 'run.json')), 'the file goes when the system stops');
    t.deepEqual(
      Object.entries({ ...first.run.pids, ...second.run.pids }).filter(([, pid]) => alive(pid)),
      [],
      'nothing is left running',
    );
  } finally {
    for (const { launcher, run } of started) {
      for (const pid of [launcher.pid ?? 0, ...Object.values(run.pids)]) if (pid > 0 && alive(pid)) process.kill(pid, 'SIGKILL');
    }
    rmSync(dataDir, { recursive: true, force: true });
  }
});
