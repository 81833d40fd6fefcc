import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lock } from '../lock.ts';
import { cacheRoot } from '../places.ts';

/** Says what a long step is doing now. */
export type Say = (detail: string) => void;

/**
 * The folder of this key in the cache, made by `build` when it is not there. It is built elsewhere and renamed into
 * place, so a folder that exists is whole; what a killed build left is cleared by the next one.
 */
export async function cached(key: string, say: Say, build: (folder: string) => Promise<void>): Promise<string> {
  const root = cacheRoot();
  const place = join(root, key);
  if (existsSync(place)) return place;
  const held = await lock(`cache ${place}`, () => say('waiting for another start that fetches the same'));
  try {
    if (existsSync(place)) return place;
    const building = join(root, '.building');
    await mkdir(building, { recursive: true });
    for (const left of await readdir(building))
      if (left.startsWith(`${key}~`)) await rm(join(building, left), { recursive: true, force: true });
    const folder = await mkdtemp(join(building, `${key}~`));
    await build(folder);
    await rename(folder, place);
    return place;
  } finally {
    await held.release();
  }
}

export const shortHash = (...parts: string[]) => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12);

/**
 * The environment of a program that this one starts. In UTF-8, whatever the terminal speaks: with LANG=C Java cannot even
 * open a file whose path has letters beyond ASCII, and mongod ends where a locale is named that is not installed.
 */
export const childEnvironment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  LC_ALL: 'C.UTF-8',
  ...more,
});

interface RunOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  onLine?: Say;
  onSpawn?: (pid: number) => void;
}

const endings = new AsyncLocalStorage<AbortSignal>();
const running = new Set<ChildProcess>();
// Nothing that this process has begun goes on without it.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Does `work`. Once the signal aborts, the command that {@link run} waits for in it is asked to end, and no other is begun. */
export const endingWith = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => endings.run(signal, work);

/** Runs a command to its end; on failure the error carries the last lines that it said. */
export async function run(command: string, args: string[], { env, cwd, onLine, onSpawn }: RunOptions = {}): Promise<string> {
  const ending = endings.getStore();
  ending?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: childEnvironment(env), cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = (): void => void child.kill('SIGTERM');
    ending?.addEventListener('abort', end);
    if (child.pid !== undefined) onSpawn?.(child.pid);
    running.add(child);
    let stdout = '';
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      said += text;
      const line = text.trim().split('\n').at(-1);
      if (line) onLine?.(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('error', (error) => reject(new Error(`${command} could not be run: ${error.message}`)));
    child.on('close', (code, signal) => {
      ending?.removeEventListener('abort', end);
      running.delete(child);
      if (code === 0) resolve(stdout);
      else
        reject(
          new Error(`${command} ${args[0] ?? ''} failed (${signal ?? code}):\n${said.trim().split('\n').slice(-15).join('\n')}`),
        );
    });
  });
}
