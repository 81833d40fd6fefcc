import { join } from 'node:path';
import { newCallerKeys } from '#platform/grpc/callers.ts';
import { CALLERS } from '../services/catalogue.ts';
import type { State } from './component.ts';
import { openDataFolder } from './data-folder.ts';
import { checkEnvironment } from './environment.ts';
import { LAYOUTS, type Layout } from './layouts.ts';
import { tryLock } from './lock.ts';
import { isAlive, readPids } from './pids.ts';
import { Ports } from './ports.ts';
import { type Plan, RunningStack } from './running-stack.ts';
import { keptSecrets, secretsFor } from './secrets.ts';
import { SERVERS, type ServerName } from './servers/index.ts';

export interface StackOptions {
  /** Everything that the servers keep; made when it is not there. */
  dataDir: string;
  /** Starts empty. */
  fresh?: boolean;
  /** `preferred`: the well-known ports where they are free. `free`: any free ones, the ones of the last start first. */
  ports?: 'preferred' | 'free';
  /** The gateway's port, exactly. */
  gatewayPort?: number;
  /** Default: `logs` in the data folder. */
  logDir?: string;
  /** Default: all. A server whose address the environment gives is not started. */
  servers?: readonly ServerName[];
  /** How Musubi's own programs are spread over processes; `none`: the servers only. Default: `few`. */
  processes?: Layout | 'none';
  /** More environment for Musubi's own processes. */
  env?: Record<string, string>;
  /** Whether a process that dies unasked is started again. Default: true. */
  restart?: boolean;
  /** Where to write `run.json` once everything is ready; it is kept true, and removed by `stop`. */
  runFile?: string;
  /** Stops the stack, also one that is still starting. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  component: string;
  title: string;
  state: 'preparing' | State;
  detail?: string;
}

/**
 * A running stack. Components are its servers and its processes: `postgres`, `worker`, … What is done to a program, as
 * `gateway`, is done to its process.
 */
export interface Stack {
  /** The environment that Musubi's processes get: the addresses of every server and of each other, and the keys. */
  addresses: Record<string, string>;
  /** By server or program, then by what the port is for: `ports.gateway.http`. */
  ports: Record<string, Record<string, number>>;
  admin: { loginId: string; password: string };
  /** Everything that the servers keep. */
  dataDir: string;
  logDir: string;
  pids(): Record<string, number>;
  /** The same by server and program. */
  programPids(): Record<string, number>;
  /** Musubi's processes first, then the servers. Idempotent. */
  stop(): Promise<void>;
  /** Ends a component and leaves it down. SIGSTOP pauses it, SIGCONT lets it go on. */
  kill(name: string, signal?: NodeJS.Signals): Promise<void>;
  /** Starts a component that is down and waits until it is ready. */
  start(name: string): Promise<void>;
  /** Stops a component in order and starts it again. */
  restart(name: string): Promise<void>;
}

export class AlreadyRunning extends Error {}

/**
 * Starts the real servers and Musubi's processes, and returns when all of them are ready.
 *
 * @throws ConfigError when the environment is wrong; like every refusal before anything was started, it leaves no trace
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const folder = await openDataFolder(options.dataDir);
  const pidsPath = join(folder.path, 'pids.json');
  const lock = await tryLock(`stack ${folder.path}`);
  if (!lock) {
    const launcher = readPids(pidsPath).launcher;
    const who = launcher && isAlive(launcher) ? ` (pid ${launcher.pid})` : '';
    throw new AlreadyRunning(`Musubi already runs on ${folder.path}${who}: stop it first, or give another folder with --data`);
  }
  let stack: RunningStack | undefined;
  const ports = new Ports();
  const release = async (): Promise<void> => {
    if (!stack?.hasStarted) await folder.undo();
    await ports.release();
    await lock.release();
  };
  try {
    stack = new RunningStack(options, await plan(options, folder.path), folder.path, pidsPath, ports, release);
    const started = stack;
    options.signal?.addEventListener('abort', () => {
      // Who waits for the stop hears of a failure, too.
      started.stop().catch(() => undefined);
    });
    options.signal?.throwIfAborted();
    await stack.begin();
    options.signal?.throwIfAborted();
    return stack;
  } catch (error) {
    await (stack ? stack.stop() : release());
    throw error;
  }
}

async function plan(options: StackOptions, dataDir: string): Promise<Plan> {
  const kept = options.fresh ? {} : keptSecrets(dataDir);
  const secrets = secretsFor(kept, process.env);
  const servers = SERVERS.filter(({ name }) => options.servers?.includes(name as ServerName) ?? true);
  const { processes: layout = 'few' } = options;
  const processes = layout === 'none' ? [] : LAYOUTS[layout];
  // Made for this start only: all who call and all who are called begin with it.
  const callerKeys = newCallerKeys(CALLERS);
  const wanted = { servers, processes, dataDir, kept, secrets, callerKeys, env: process.env, extraEnv: options.env ?? {} };
  return { ...(await checkEnvironment(wanted)), processes, secrets, callerKeys };
}
