import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { until } from '../platform/until.fixture.ts';
import { identify, isAlive } from './pids.ts';
import { checkout } from './places.ts';

const folder = mkdtempSync(join(tmpdir(), 'musubi stopping '));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Runs a command in a terminal of its own, as a shell does: in the foreground of a session that goes on when the command has
 * ended. Says the command's process; types what comes on stdin, whose end closes the terminal.
 */
const TERMINAL = `
import os, pty, select, signal, sys
said, say = os.pipe()
shell, terminal = pty.fork()
if shell == 0:
    command = os.fork()
    if command == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(sys.argv[1], sys.argv[1:])
    os.write(say, str(command).encode())
    while True:
        signal.pause()
print(os.read(said, 99).decode(), flush=True)
while True:
    ready = select.select([terminal, 0], [], [])[0]
    if terminal in ready:
        os.read(terminal, 65536)
    if 0 in ready:
        typed = os.read(0, 1)
        if not typed:
            break
        os.write(terminal, typed)
`;

interface Running {
  terminal: ChildProcess;
  /** By name: `npm`, `bootstrap`, `script`. */
  pids: Record<string, number>;
  /** What the script noted, in order. */
  notes(): string[];
}

/** What `npm start` runs, but with a script that only stops as it does, in a terminal, up and running. */
async function started(t: ExecutionContext): Promise<Running> {
  const place = mkdtempSync(join(folder, 'run '));
  const file = join(place, 'notes');
  const script = join(place, 'script.ts');
  appendFileSync(file, '');
  writeFileSync(
    script,
    `import { appendFileSync } from 'node:fs';
    import { stopRequest } from ${JSON.stringify(join(checkout, 'local/stop-request.ts'))};
    const note = (text: string) => appendFileSync(${JSON.stringify(file)}, text + '\\n');
    const request = stopRequest(() => { note('forced'); process.exit(1); });
    note('bootstrap ' + process.ppid);
    note('up ' + process.pid);
    setInterval(() => console.log('running'), 100);
    await request.asked;
    note('asked');
    // As long as an ordered stop takes at least.
    setTimeout(() => { note('stopped'); process.exit(0); }, 1000);`,
  );
  const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { scripts: { start: string } };
  const command = scripts.start
    .replace('local/bootstrap.mjs', `'${join(checkout, 'local/bootstrap.mjs')}'`)
    .replace('local/start.ts', `'${relative(checkout, script)}'`);
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name: 'stopping', version: '1.0.0', scripts: { start: command } }));
  const terminal = spawn('python3', ['-c', TERMINAL, 'npm', 'start'], { cwd: place, stdio: ['pipe', 'pipe', 'ignore'] });
  const [said] = await once(terminal.stdout, 'data');
  const notes = (): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean);
  await until(() => notes().some((note) => note.startsWith('up')));
  const noted = Object.fromEntries(notes().map((note) => note.split(' '))) as Record<string, string>;
  const pids = { npm: Number(said), bootstrap: Number(noted.bootstrap), script: Number(noted.up) };
  t.teardown(() => {
    terminal.kill('SIGKILL');
    for (const pid of Object.values(pids)) if (identify(pid)) process.kill(pid, 'SIGKILL');
  });
  return { terminal, pids, notes: () => notes().slice(2) };
}

const ENDS: Record<string, (running: Running) => void> = {
  'Ctrl-C is typed': ({ terminal }) => terminal.stdin?.write('\x03'),
  'Ctrl-\\ is typed': ({ terminal }) => terminal.stdin?.write('\x1c'),
  'the terminal is closed': ({ terminal }) => terminal.stdin?.end(),
  'npm is sent SIGINT': ({ pids }) => process.kill(pids.npm ?? 0, 'SIGINT'),
  'npm is sent SIGTERM': ({ pids }) => process.kill(pids.npm ?? 0, 'SIGTERM'),
  'npm is sent SIGHUP': ({ pids }) => process.kill(pids.npm ?? 0, 'SIGHUP'),
  'npm is killed': ({ pids }) => process.kill(pids.npm ?? 0, 'SIGKILL'),
  'the bootstrap is sent SIGINT': ({ pids }) => process.kill(pids.bootstrap ?? 0, 'SIGINT'),
  'the bootstrap is sent SIGTERM': ({ pids }) => process.kill(pids.bootstrap ?? 0, 'SIGTERM'),
  'the bootstrap is killed': ({ pids }) => process.kill(pids.bootstrap ?? 0, 'SIGKILL'),
};

for (const [what, end] of Object.entries(ENDS)) {
  test(`when ${what}, a start in a terminal is stopped once, in order`, async (t) => {
    const running = await started(t);
    const processes = Object.values(running.pids).flatMap((pid) => identify(pid) ?? []);
    t.is(processes.length, 3);
    end(running);
    await until(() => running.notes().includes('stopped'));
    await until(() => !processes.some(isAlive));
    t.deepEqual(running.notes(), ['asked', 'stopped']);
  });
}

test('who asks again, later, forces', async (t) => {
  const script = join(folder, 'stubborn.ts');
  writeFileSync(
    script,
    `import { stopRequest } from ${JSON.stringify(join(checkout, 'local/stop-request.ts'))};
    stopRequest(() => process.exit(9));
    setInterval(() => {}, 1000);
    console.log('up');`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  for (let i = 0; i < 20; i++) child.kill('SIGINT');
  await sleep(2_500);
  t.is(child.exitCode, null);
  child.kill('SIGINT');
  t.deepEqual(await ended, [9, null]);
});
