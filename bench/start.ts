import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { descendants, table } from './measure.ts';

const ROOT = join(import.meta.dirname, '..');
/** Of one `npm start`; the slowest has everything to download. */
const PATIENCE_MS = 15 * 60_000;

/**
 * `npm run bench start`: how long one waits for `npm start` and for its end, from the command to `Musubi is ready` and
 * from Ctrl-C to the prompt. What is committed is cloned into a new folder, with the caches of npm, pip and our own empty.
 */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'musubi start '));
  const clone = join(folder, 'a clone');
  const rows: [string, number][] = [];
  let running: ChildProcess | undefined;
  const timed = async (what: string, work: () => Promise<void>): Promise<void> => {
    const begun = performance.now();
    await work();
    const seconds = (performance.now() - begun) / 1_000;
    rows.push([what, seconds]);
    process.stdout.write(`${what}: ${seconds.toFixed(1)} s\n`);
  };
  const start = async (): Promise<void> => {
    running = npmStart(clone, newUser(folder));
    await ready(running);
  };
  const end = async (how: (pid: number) => void): Promise<void> => {
    if (running?.pid === undefined || running.exitCode !== null) throw new Error('npm start has ended by itself');
    const gone = once(running, 'exit');
    how(running.pid);
    await gone;
  };
  // As a terminal does: the whole group.
  const stop = () => end((pid) => process.kill(-pid, 'SIGINT'));
  const cleanUp = (): void => {
    if (running?.pid !== undefined && running.exitCode === null && running.signalCode === null) killAll(running.pid);
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      cleanUp();
      process.exit(130);
    });
  }
  try {
    execFileSync('git', ['clone', '--quiet', ROOT, clone]);
    await timed('first start, nothing installed or downloaded', start);
    await timed('stop', stop);
    await timed('second start', start);
    await end(killAll);
    await timed('start after kill -9 of everything', start);
    await timed('stop', stop);
  } finally {
    cleanUp();
  }
  process.stdout.write(`\n${table(['from the command to its end', 'seconds'], rows)}\n`);
}

/** The environment of somebody who has never run this: no address, no cache, nothing of this checkout. */
function newUser(folder: string): NodeJS.ProcessEnv {
  const mine = Object.entries(process.env).filter(([name]) => !/^(MUSUBI_|npm_|NODE_|INIT_CWD$)/.test(name));
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !/node_modules|node-gyp-bin/.test(entry));
  return {
    ...Object.fromEntries(mine),
    PATH: path.join(delimiter),
    npm_config_cache: join(folder, 'npm'),
    PIP_CACHE_DIR: join(folder, 'pip'),
  };
}

/** `npm start` in a process group of its own. */
function npmStart(cwd: string, env: NodeJS.ProcessEnv): ChildProcess {
  return spawn('npm', ['start', '--', '--port', '0'], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
}

/** Resolves once it says that it is ready. */
async function ready(child: ChildProcess): Promise<void> {
  let output = '';
  const isReady = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('Musubi is ready')) resolve();
      });
    }
  });
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) }).then(() => {
    throw new Error(`npm start ended:\n${output.slice(-2_000)}`);
  });
  await Promise.race([isReady, ended]);
  ended.catch(() => undefined);
}

/** kill -9 of a process and of all that it has started, which may be ending by itself. */
function killAll(pid: number): void {
  for (const each of [pid, ...descendants(pid)]) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}
