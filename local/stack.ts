import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { choosePorts } from './choose-ports.ts';
import { Component, ComponentFailed, type State } from './component.ts';
import { emptyDataFolder, openDataFolder, rotateLogs } from './data-folder.ts';
import { tryLock } from './lock.ts';
import { run } from './packages/cache.ts';
import { isAlive, PidsFile, readPids, stopLeftovers } from './pids.ts';
import { Ports } from './ports.ts';
import { command, isReady, listens, peers, ROLES, type Role, stopGraceMs } from './roles.ts';
import { removeRunFile, writeRunFile } from './run-file.ts';
import { keepAdmin, loadSecrets, type Secrets } from './secrets.ts';
import { givenAddress } from './servers/given.ts';
import { SERVERS, type ServerName } from './servers/index.ts';
import type { Server, Setting } from './servers/server.ts';

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
  /** Musubi's own processes; default: all; `[]`: the servers only. */
  roles?: readonly string[];
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

/** A running stack. Components are named like the servers and the roles: `postgres`, `gateway`, … */
export interface Stack {
  /** The environment that Musubi's processes get: the addresses of every server and of each other, and the keys. */
  addresses: Record<string, string>;
  /** By component, then by what the port is for: `ports.gateway.http`. */
  ports: Record<string, Record<string, number>>;
  admin: { loginId: string; password: string };
  /** Everything that the servers keep. */
  dataDir: string;
  logDir: string;
  pids(): Record<string, number>;
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

/** Starts the real servers and Musubi's processes, and returns when all of them are ready. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const dataDir = await openDataFolder(options.dataDir);
  const pidsPath = join(dataDir, 'pids.json');
  const lock = await tryLock(`stack ${dataDir}`);
  if (!lock) {
    const launcher = readPids(pidsPath).launcher;
    const who = launcher && isAlive(launcher) ? ` (pid ${launcher.pid})` : '';
    throw new AlreadyRunning(`Musubi already runs on ${dataDir}${who}: stop it first, or give another folder with --data`);
  }
  const ports = new Ports();
  const stack = new RunningStack(options, dataDir, pidsPath, ports, async () => {
    await ports.release();
    await lock.release();
  });
  options.signal?.addEventListener('abort', () => void stack.stop());
  try {
    await stack.begin();
    options.signal?.throwIfAborted();
    return stack;
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

/** Generous: on a machine that is busy with other things a cold OpenSearch alone has taken a minute. */
const READY_MS = 180_000;

class RunningStack implements Stack {
  addresses: Record<string, string> = {};
  ports: Record<string, Record<string, number>> = {};
  admin = { loginId: '', password: '' };
  readonly logDir: string;
  readonly #options: StackOptions;
  readonly dataDir: string;
  readonly #pidsPath: string;
  readonly #reserved: Ports;
  readonly #release: () => Promise<void>;
  readonly #components = new Map<string, Component>();
  readonly #onExit = () => {
    for (const component of this.#components.values()) component.abandon();
  };
  readonly #pidsFile: PidsFile;
  #ready = false;
  #stopping: Promise<void> | undefined;

  constructor(options: StackOptions, dataDir: string, pidsPath: string, reserved: Ports, release: () => Promise<void>) {
    this.#options = options;
    this.dataDir = dataDir;
    this.#pidsPath = pidsPath;
    this.#reserved = reserved;
    this.#release = release;
    this.#pidsFile = new PidsFile(pidsPath);
    this.logDir = resolve(options.logDir ?? join(dataDir, 'logs'));
  }

  async begin(): Promise<void> {
    if (this.#options.runFile) removeRunFile(this.#options.runFile);
    const left = await stopLeftovers(this.#pidsPath);
    if (left.length > 0) this.#say('launcher', 'preparing', `stopped what an earlier start left behind: ${left.join(', ')}`);
    if (this.#options.fresh) await emptyDataFolder(this.dataDir);
    this.#pidsFile.add('launcher', process.pid, 'SIGTERM', 5_000);
    process.once('exit', this.#onExit);
    await rotateLogs(this.logDir);
    const secrets = loadSecrets(this.dataDir, process.env);
    const servers = SERVERS.filter(({ name }) => this.#options.servers?.includes(name as ServerName) ?? true);
    const roles = ROLES.filter(({ name }) => this.#options.roles?.includes(name) ?? true);
    const own = servers.filter((server) => {
      const given = givenAddress(server, secrets, process.env);
      if (!given) return true;
      Object.assign(this.addresses, given);
      this.#say(server.name, 'ready', 'at the address that the environment gives');
      return false;
    });
    const { gatewayPort } = this.#options;
    const preferred = this.#options.ports !== 'free';
    this.ports = await choosePorts([...own, ...roles], this.#reserved, join(this.dataDir, 'ports.json'), preferred, gatewayPort);
    for (const server of own) Object.assign(this.addresses, server.address({ ports: this.ports[server.name] ?? {}, secrets }));
    this.admin = { loginId: secrets.adminLoginId, password: secrets.adminPassword };
    Object.assign(this.addresses, peers(this.ports), { MUSUBI_AUTH_MASTER_KEY: secrets.authMasterKey });

    const settings = own.map((server) => ({ server, setting: this.#setting(server, secrets) }));
    await Promise.all(settings.map(({ server, setting }) => this.#startServer(server, setting)));
    await Promise.all(roles.map((role) => this.#startRole(role)));
    if (roles.length === ROLES.length) await this.#bootstrap();
    this.#ready = true;
    this.#tell();
    // Not before everything is ready: it takes a core for a second or two.
    for (const { server, setting } of settings) {
      const pid = this.#components.get(server.name)?.pid;
      if (pid !== undefined) server.settle?.(setting, pid).catch(() => {});
    }
  }

  pids(): Record<string, number> {
    const running = [...this.#components].map(([name, { pid }]) => [name, pid] as const);
    return Object.fromEntries(running.filter((entry): entry is [string, number] => entry[1] !== undefined));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.#component(name).kill(signal);
  }

  start(name: string): Promise<void> {
    return this.#component(name).start();
  }

  async restart(name: string): Promise<void> {
    await this.#component(name).stop();
    await this.start(name);
  }

  async #stopAll(): Promise<void> {
    const phases: string[][] = [1, 2, 3].map((phase) => ROLES.filter((role) => role.stopsIn === phase).map(({ name }) => name));
    phases.push(SERVERS.map(({ name }) => name));
    for (const names of phases) await Promise.all(names.map(async (name) => this.#components.get(name)?.stop()));
    if (this.#options.runFile) removeRunFile(this.#options.runFile);
    process.off('exit', this.#onExit);
    this.#pidsFile.remove('launcher');
    await this.#release();
  }

  #setting(server: Server, secrets: Secrets): Setting {
    return {
      data: join(this.dataDir, server.name),
      ports: this.ports[server.name] ?? {},
      secrets,
      say: (detail) => this.#say(server.name, 'preparing', detail),
    };
  }

  async #startServer(server: Server, setting: Setting): Promise<void> {
    await mkdir(setting.data, { recursive: true });
    const { stopSignal, graceMs } = server;
    await this.#run({
      name: server.name,
      launch: async () => ({ cwd: setting.data, ...(await server.prepare(setting)) }),
      probe: () => server.probe(setting),
      clean: () => server.clean?.(setting) ?? Promise.resolve(),
      stopSignal,
      graceMs,
      readyMs: READY_MS,
    });
  }

  async #startRole(role: Role): Promise<void> {
    const ports = this.ports[role.name] ?? {};
    const { command: program, args, env } = command(role.name);
    await this.#run({
      name: role.name,
      launch: async () => ({
        command: program,
        args,
        env: { ...env, ...this.addresses, ...listens(ports), ...this.#options.env },
      }),
      probe: () => isReady(ports),
      stopSignal: 'SIGTERM',
      graceMs: stopGraceMs({ ...process.env, ...this.#options.env }),
      readyMs: READY_MS,
    });
  }

  async #run(plan: Omit<Component['plan'], 'log'>): Promise<void> {
    if (this.#stopping) throw new Error('the stack is being stopped');
    const log = join(this.logDir, `${plan.name}.log`);
    const component = new Component({ ...plan, log }, this.#pidsFile, this.#options.restart ?? true, (state, detail) =>
      this.#say(plan.name, state, detail),
    );
    this.#components.set(plan.name, component);
    await component.start();
  }

  /** Makes the first admin and what else must exist once. Running it again changes nothing. */
  async #bootstrap(): Promise<void> {
    this.#say('bootstrap', 'starting');
    const { command: program, args, env } = command('bootstrap');
    const admin = { MUSUBI_ADMIN_LOGIN_ID: this.admin.loginId, MUSUBI_ADMIN_PASSWORD: this.admin.password };
    const log = join(this.logDir, 'bootstrap.log');
    const said = await run(program, args, { env: { ...env, ...this.addresses, ...admin, ...this.#options.env } }).catch(
      async (error: Error) => {
        await writeFile(log, error.message, { mode: 0o600 });
        throw new ComponentFailed('bootstrap', 'failed', log);
      },
    );
    await writeFile(log, said, { mode: 0o600 });
    keepAdmin(this.dataDir);
    this.#say('bootstrap', 'ready');
  }

  #component(name: string): Component {
    const component = this.#components.get(name);
    if (!component) throw new Error(`this stack does not run ${name}; it runs ${[...this.#components.keys()].join(', ')}`);
    return component;
  }

  /** Keeps `run.json` true: processes that were started again have other numbers. */
  #tell(): void {
    if (this.#options.runFile && this.#ready && !this.#stopping) writeRunFile(this.#options.runFile, this);
  }

  #say(component: string, state: Progress['state'], detail?: string): void {
    const title = SERVERS.find(({ name }) => name === component)?.title ?? component;
    this.#options.onProgress?.({ component, title, state, detail });
    this.#tell();
  }
}
