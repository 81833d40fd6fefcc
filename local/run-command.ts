import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcess, spawn } from 'node:child_process';

/** Says what a long step is doing now. */
export type Say = (detail: string) => void;

/**
 * The environment of a program that this one starts, with those of Musubi's variables only that it is given: secrets are among them. In UTF-8, though the terminal may speak something else: with LANG=C Java cannot even
 * open a file whose path has letters beyond ASCII, and mongod ends where a locale is named that is not installed.
 */
export const childEnvironment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MUSUBI_'))),
  LC_ALL: 'C.UTF-8',
  ...more,
});

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  onLine?: Say;
  onSpawn?: (pid: number) => void;
}

/** What a command is called in an error: `python3 -m pip`, `initdb --pgdata`. */
const named = (command: string, args: string[]): string => [command, ...args.slice(0, args[0] === '-m' ? 2 : 1)].join(' ');

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
          new Error(`${named(command, args)} failed (${signal ?? code}):\n${said.trim().split('\n').slice(-15).join('\n')}`),
        );
    });
  });
}
