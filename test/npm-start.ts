import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheRoot, checkout } from '../local/places.ts';

// `npm start` as a user types it, in a checkout of its own: for what can only be seen of a whole start.

/** A name such as people give to folders: with spaces, letters beyond ASCII, and what programs like to read in their own way. */
export const FOLDER = 'プロジェクト für mich, #1 (100%)';

/** One start takes this long at most; the slowest has everything to download. */
const PATIENCE_MS = 15 * 60_000;

/** This checkout as it is now, installed, in another folder, with what was fetched for this one. */
export function copyOfCheckout(folder: string): string {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: checkout });
  for (const file of files.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(checkout, file), join(folder, file));
  }
  // Links to the files, not to the folder: Node would take a module in a linked folder for one of the other checkout.
  execFileSync('cp', ['-a', '--link', join(checkout, 'node_modules'), join(folder, 'node_modules')]);
  cpSync(join(checkout, 'platform', 'gen'), join(folder, 'platform', 'gen'), { recursive: true });
  mkdirSync(join(folder, '.musubi'));
  mkdirSync(cacheRoot(), { recursive: true });
  symlinkSync(realpathSync(cacheRoot()), join(folder, '.musubi', 'cache'));
  return folder;
}

/** The environment of somebody who knows nothing of this checkout: no address, no cache, no setting of its tools. */
export function strangersEnvironment(): NodeJS.ProcessEnv {
  const mine = Object.entries(process.env).filter(([name]) => !/^(MUSUBI_|OTEL_|npm_|NODE_|INIT_CWD$)/.test(name));
  const path = (process.env.PATH ?? '').split(':').filter((entry) => !/node_modules|node-gyp-bin/.test(entry));
  return { ...Object.fromEntries(mine), PATH: path.join(':') };
}

export interface NpmStart {
  /** npm itself, in a process group of its own. */
  child: ChildProcess;
  /** All that it has said so far. */
  output(): string;
}

/**
 * Types `npm start -- --port 0` and resolves once it says that it is ready.
 *
 * @param as the command that goes before `npm`, to be another user
 * @param options further ones
 */
export async function npmStart(
  cwd: string,
  env: NodeJS.ProcessEnv,
  as: string[] = [],
  options: string[] = [],
): Promise<NpmStart> {
  const [command = 'npm', ...args] = [...as, 'npm', 'start', '--', '--port', '0', ...options];
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  const isReady = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('Musubi is ready')) resolve();
      });
    }
  });
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) }).then(() => {
    throw new Error(`npm start ended:\n${output.slice(-3_000)}`);
  });
  ended.catch(() => undefined);
  await Promise.race([isReady, ended]);
  return { child, output: () => output };
}
