import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { wholeNumber } from '../local/options.mjs';
import { checkout } from '../local/places.ts';
import { stopRequest } from '../local/stop-request.ts';
import { FOLDER, type NpmStart, npmStart, strangersEnvironment } from '../test/npm-start.ts';
import { descendants, table } from './measure.ts';

export interface StartOptions {
  times?: string;
  folder?: string;
  user?: string;
}

/**
 * `npm run bench start`: how long one waits for `npm start` and for its end, from the command to `Musubi is ready` and
 * from Ctrl-C to the prompt, and what it takes of the disk. What is committed is cloned into a new folder each time, with the
 * caches of npm, pip and our own empty.
 */
export async function run({ times = '1', folder: name = FOLDER, user }: StartOptions): Promise<void> {
  const count = wholeNumber('--times', times, 1_000) ?? 1;
  const firsts: number[] = [];
  let running: Start | undefined;
  void stopRequest(() => process.exit(130)).asked.then(() => {
    running?.remove();
    process.exit(130);
  });
  for (let i = 1; i <= count; i++) {
    const start = new Start(name, user);
    running = start;
    try {
      firsts.push(await start.first());
      if (i === count) await start.others();
      else await start.stop();
    } finally {
      start.remove();
    }
    if (i === count) process.stdout.write(`\n${table(['from the command to its end', 'seconds'], start.rows)}\n${start.disk}\n`);
  }
  if (count === 1) return;
  const sorted = firsts.toSorted((a, b) => a - b);
  const [fastest, median, slowest] = [0, 0.5, 1].map((part) => sorted[Math.round(part * (count - 1))]?.toFixed(1));
  process.stdout.write(`\n${count} first starts, none failed: ${fastest} to ${slowest} s, half of them within ${median} s\n`);
}

/** How long a user looks at the system that was started first. */
const LOOK_AROUND_MS = 15_000;

/** One new user on a machine that has everything but Musubi. */
class Start {
  readonly rows: [string, number][] = [];
  disk = '';
  readonly #folder = mkdtempSync(join(tmpdir(), 'musubi-start-'));
  readonly #clone: string;
  readonly #as: string[] = [];
  readonly #environment: NodeJS.ProcessEnv;
  #running: NpmStart | undefined;

  constructor(name: string, user?: string) {
    this.#clone = join(this.#folder, name, 'musubi');
    execFileSync('git', ['clone', '--quiet', checkout, this.#clone]);
    const home = join(this.#folder, 'home');
    mkdirSync(home);
    this.#environment = { ...strangersEnvironment(), npm_config_cache: join(home, 'npm'), PIP_CACHE_DIR: join(home, 'pip') };
    if (user === undefined) return;
    execFileSync('chown', ['-R', `${user}:`, this.#folder]);
    this.#as.push('setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups');
    Object.assign(this.#environment, { HOME: home, USER: user, LOGNAME: user });
  }

  async first(): Promise<number> {
    const seconds = await this.#timed('first start, nothing installed or downloaded', () => this.#start());
    const parts = ['node_modules', '.musubi/cache', '.musubi/data'].map(
      (part) => `${part} ${megabytes(join(this.#clone, part))} MB`,
    );
    this.disk = `${megabytes(this.#clone)} MB of the disk (${parts.join(', ')}), and ${megabytes(join(this.#folder, 'home'))} MB in npm's own cache`;
    return seconds;
  }

  async others(): Promise<void> {
    // The servers' classes are written in the seconds after the first start (`local/servers/java.ts`): nobody leaves at once.
    await sleep(LOOK_AROUND_MS);
    await this.#timed('stop', () => this.stop());
    await this.#timed('second start', () => this.#start());
    await this.#end(killAll);
    await this.#timed('start after kill -9 of everything', () => this.#start());
    await this.#timed('stop', () => this.stop());
  }

  /** As a terminal does: the whole group. */
  stop(): Promise<void> {
    return this.#end((pid) => process.kill(-pid, 'SIGINT'));
  }

  remove(): void {
    const pid = this.#running?.child.pid;
    if (pid !== undefined && isRunning(this.#running)) killAll(pid);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    this.#running = await npmStart(this.#clone, this.#environment, this.#as);
  }

  async #end(how: (pid: number) => void): Promise<void> {
    const child = this.#running?.child;
    if (child?.pid === undefined || !isRunning(this.#running)) throw new Error('npm start has ended by itself');
    const gone = once(child, 'exit');
    how(child.pid);
    await gone;
  }

  async #timed(what: string, work: () => Promise<void>): Promise<number> {
    const begun = performance.now();
    await work();
    const seconds = (performance.now() - begun) / 1_000;
    this.rows.push([what, seconds]);
    process.stdout.write(`${what}: ${seconds.toFixed(1)} s\n`);
    return seconds;
  }
}

const isRunning = (start: NpmStart | undefined): boolean => start?.child.exitCode === null && start.child.signalCode === null;

/**
 * What a folder takes of the disk: each file once, however many names it has. `du` fails when a file vanishes while it reads, and
 * says the sum all the same.
 */
const megabytes = (folder: string): number =>
  existsSync(folder) ? Number.parseInt(spawnSync('du', ['-sm', folder], { encoding: 'utf8' }).stdout, 10) : 0;

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
