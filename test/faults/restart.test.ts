import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { type Identity, identify, isAlive } from '../../local/pids.ts';
import { login, register } from '../client.ts';

interface RunFile {
  gateway: string;
  admin: { loginId: string; password: string };
  pids: Record<string, number>;
}

interface Running {
  launcher: ChildProcess;
  run: RunFile;
  output: string;
  /** The launcher and everything that it started; their numbers alone may soon be others'. */
  processes: Identity[];
}

/** `npm start`, with what is fetched already, on a data folder of its own and free ports; resolves once it says that it is ready. */
async function start(dataDir: string): Promise<Running> {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name === 'MUSUBI_CACHE' || !/^(MUSUBI|OTEL)_/.test(name)),
  );
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
    if (launcher.exitCode !== null || launcher.signalCode !== null)
      throw new Error(`npm start ended with ${launcher.exitCode ?? launcher.signalCode}:\n${output.slice(-2_000)}`);
    await sleep(50);
  }
  const file = join(dataDir, 'run.json');
  if ((statSync(file).mode & 0o077) !== 0) throw new Error('run.json can be read by others');
  const run = JSON.parse(readFileSync(file, 'utf8')) as RunFile;
  const processes = [launcher.pid ?? 0, ...Object.values(run.pids)].flatMap((pid) => identify(pid) ?? []);
  return { launcher, run, output, processes };
}

function kill(processes: Identity[]): void {
  for (const one of processes) if (isAlive(one)) process.kill(one.pid, 'SIGKILL');
}

test('after kill -9 of everything the next start goes on with the data, beside another instance, and stops in order', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'musubi-restart-'));
  const started: Running[] = [];
  try {
    const first = await start(dataDir);
    started.push(first);
    t.true(first.output.includes(first.run.admin.password), 'the first start tells the password');
    const as = await login(first.run.admin.loginId, first.run.admin.password, first.run.gateway);
    const member = await register(as, 'survivor');
    const gone = once(first.launcher, 'exit');
    t.true(first.processes.length > Object.keys(first.run.pids).length);
    kill(first.processes);
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
    t.deepEqual([...first.processes, ...second.processes].filter(isAlive), [], 'nothing is left running');
  } finally {
    for (const { processes } of started) kill(processes);
    rmSync(dataDir, { recursive: true, force: true });
  }
});
