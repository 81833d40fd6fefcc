import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '#platform/errors.ts';
import type { PidsFile } from './pids.ts';
import { childEnvironment } from './run-command.ts';
import type { Launch } from './servers/server.ts';

/** What the supervisor must know of a process to run it. */
export interface Plan {
  name: string;
  launch(): Promise<Launch>;
  /** Throws as long as the process is not ready. */
  probe(): Promise<void>;
  /** Called after it was stopped. */
  clean?(): Promise<void>;
  stopSignal: NodeJS.Signals;
  graceMs: number;
  /** Whether it may be killed after its grace, and that is an ordered stop too. */
  mayBeKilled?: boolean;
  readyMs: number;
  log: string;
}

export type State = 'stopped' | 'starting' | 'ready' | 'restarting' | 'failed';

/** A process of the stack could not be started; `log` holds why. */
export class ComponentFailed extends Error {
  readonly component: string;
  readonly log: string;

  constructor(component: string, reason: string, log: string) {
    super(`${component} ${reason}`);
    this.component = component;
    this.log = log;
  }

  lastLines(count = 20): string {
    if (!existsSync(this.log)) return '';
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  }
}

/** Runs one process: starts it, knows when it is ready, starts it again when it dies unasked, stops it. */
export class Component {
  readonly plan: Plan;
  readonly #pids: PidsFile;
  readonly #supervise: boolean;
  readonly #onState: (state: State, detail?: string) => void;
  #child: ChildProcess | undefined;
  #starting: Promise<void> | undefined;
  /** Whether it should run: an end that nobody asked for is an accident only while this holds. */
  #wanted = false;
  #accidents = 0;

  constructor(plan: Plan, pids: PidsFile, supervise: boolean, onState: (state: State, detail?: string) => void) {
    this.plan = plan;
    this.#pids = pids;
    this.#supervise = supervise;
    this.#onState = onState;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it, if it does not run, and waits until it is ready. */
  start(): Promise<void> {
    this.#wanted = true;
    return this.#start(false);
  }

  /** Asks it to end, and forces it after its grace. */
  async stop(graceMs = this.plan.graceMs): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (!child) return;
    const ended = exitOf(child);
    this.#signal(this.plan.stopSignal);
    // A process that a test has paused could not heed anything.
    this.#signal('SIGCONT');
    const inTime = await Promise.race([ended.then(() => true), sleep(graceMs, false, { ref: false })]);
    if (!inTime) this.#signal('SIGKILL');
    const how = await ended;
    await this.plan.clean?.();
    if (inTime) this.#onState('stopped', isOrderly(how, this.plan.stopSignal) ? undefined : described(how));
    else this.#onState('stopped', this.plan.mayBeKilled ? undefined : `killed, because it did not end in ${graceMs / 1000} s`);
  }

  /** Sends a signal, for tests of faults. One that ends the process is waited for, and it stays down until `start`. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child) return;
    if (PAUSING.has(signal)) {
      this.#signal(signal);
      return;
    }
    this.#wanted = false;
    const ended = exitOf(child);
    this.#signal(signal);
    this.#onState('stopped', described(await ended));
  }

  /** For the moment when the launcher itself ends without having stopped the stack: every server survives a kill. */
  abandon(): void {
    this.#wanted = false;
    this.#signal('SIGKILL');
  }

  #start(again: boolean): Promise<void> {
    this.#starting ??= this.#startUp(again).finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** @param again it was ready before: then it is not given up, however long it cannot start or what it needs is away */
  async #startUp(again: boolean): Promise<void> {
    // PostgreSQL refuses to start while sessions of its killed predecessor still hold the shared memory, and a port can
    // linger for a moment: what fails at once is worth another try.
    for (let tries = 1; !this.#child; tries++) {
      this.#onState('starting');
      const launch = await this.plan.launch();
      if (!this.#wanted) return;
      this.#spawn(launch);
      let problem = await this.#untilReady();
      while (problem && again && this.#child && this.#wanted) {
        this.#onState('restarting', problem);
        problem = await this.#untilReady();
      }
      if (!problem) break;
      if (!this.#wanted) return;
      if (this.#child || tries === 4) {
        if (!again) {
          await this.stop();
          this.#onState('failed', problem);
        }
        throw new ComponentFailed(this.plan.name, problem, this.plan.log);
      }
      await sleep(300 * tries);
    }
    if (this.#wanted) this.#onState('ready');
  }

  #spawn({ command, args, env, cwd }: Launch): void {
    const log = openSync(this.plan.log, 'a', 0o600);
    // Its own session: Ctrl-C in the terminal must reach the launcher alone, which stops everything in order.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log], env: childEnvironment(env), cwd });
    closeSync(log);
    this.#child = child;
    if (child.pid !== undefined) this.#pids.add(this.plan.name, child.pid, this.plan.stopSignal, this.plan.graceMs);
    const startedAt = performance.now();
    const ended = (how: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#pids.remove(this.plan.name);
      if (this.#wanted && !this.#starting) this.#mendAfter(how, startedAt);
    };
    child.once('error', (error) => ended(`could not be run: ${error.message}`));
    child.once('exit', (code, signal) => ended(described({ code, signal })));
  }

  /** Undefined once it is ready, else what went wrong. */
  async #untilReady(): Promise<string | undefined> {
    const deadline = performance.now() + this.plan.readyMs;
    let last = 'it did not answer';
    while (performance.now() < deadline) {
      if (!this.#child) return 'ended while it was starting';
      try {
        await this.plan.probe();
        if (this.#child) return undefined;
      } catch (error) {
        last = reasonOf(error);
        await sleep(60);
      }
    }
    return `was not ready after ${this.plan.readyMs / 1000} s: ${last}`;
  }

  #mendAfter(how: string, startedAt: number): void {
    this.#afterAccident(how, startedAt).catch((error: unknown) => this.#onState('failed', String(error)));
  }

  async #afterAccident(how: string, startedAt: number): Promise<void> {
    if (!this.#supervise) {
      this.#wanted = false;
      this.#onState('stopped', how);
      return;
    }
    // Who ran for half a minute was healthy: it is started again at once; who keeps dying waits longer each time.
    this.#accidents = performance.now() - startedAt > 30_000 ? 1 : this.#accidents + 1;
    const pause = Math.min(200 * 2 ** (this.#accidents - 1), 10_000);
    this.#onState('restarting', `${how}; started again in ${pause / 1000} s`);
    await sleep(pause, undefined, { ref: false });
    if (!this.#wanted || this.#child) return;
    await this.#start(true).catch(() => {
      if (this.#wanted) this.#mendAfter('could not be started', performance.now());
    });
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      // Forcing ends its whole session; asking is for the process itself, which knows its children.
      process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
    } catch {
      // It has ended already.
    }
  }
}

/** A process lives on after these: no end is waited for. */
const PAUSING = new Set<NodeJS.Signals>(['SIGSTOP', 'SIGCONT']);

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

function exitOf(child: ChildProcess): Promise<Exit> {
  const { exitCode: code, signalCode: signal } = child;
  if (code !== null || signal !== null || child.pid === undefined) return Promise.resolve({ code, signal });
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
}

const described = ({ code, signal }: Exit): string => `ended (${signal ?? `exit code ${code}`})`;

/** Java turns a signal that it heeded into an exit code, as shells do. */
const isOrderly = ({ code, signal }: Exit, asked: NodeJS.Signals): boolean =>
  code === 0 || code === 128 + constants.signals[asked] || signal === asked;
