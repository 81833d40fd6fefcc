import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { reasonOf } from '#platform/errors.ts';
import { choosePorts } from './choose-ports.ts';
import { Component, ComponentFailed } from './component.ts';
import { emptyDataFolder, rotateLogs } from './data-folder.ts';
import { configurationOf, type Found } from './environment.ts';
import type { MusubiProcess } from './layouts.ts';
import { PidsFile, stopLeftovers } from './pids.ts';
import type { Ports } from './ports.ts';
import { environmentOfProcess } from './process-environment.ts';
import { addressVariables, commandLine, listenVariables, PROGRAMS, programsOf, requireHealthy, stopGraceMs } from './programs.ts';
import { endingWith, run } from './run-command.ts';
import { removeRunFile, writeRunFile } from './run-file.ts';
import { keepAdmin, keepSecrets, ofAdmin, ofAuth, type Secrets } from './secrets.ts';
import { SERVERS } from './servers/index.ts';
import type { Launch, Server, Setting } from './servers/server.ts';
import type { Progress, Stack, StackOptions } from './stack.ts';

/** What is started, and with what. */
export interface Plan extends Found {
  processes: readonly MusubiProcess[];
  secrets: Secrets;
  /** By variable. */
  callerKeys: Record<string, string>;
}

/** Generous: on a machine that is busy with other things a cold OpenSearch alone has taken a minute. */
const READY_MS = 180_000;

/** Starts and stops what was planned. It has the data folder and its lock for itself. */
export class RunningStack implements Stack {
  addresses: Record<string, string> = {};
  ports: Record<string, Record<string, number>> = {};
  admin = { loginId: '', password: '' };
  readonly logDir: string;
  /** Whether anything was started, even in vain: then its log is of use. */
  hasStarted = false;
  readonly #options: StackOptions;
  readonly #plan: Plan;
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
  readonly #ending = new AbortController();
  #stopping: Promise<void> | undefined;
  #bootstrapping: Promise<unknown> | undefined;

  constructor(
    options: StackOptions,
    plan: Plan,
    dataDir: string,
    pidsPath: string,
    reserved: Ports,
    release: () => Promise<void>,
  ) {
    this.#options = options;
    this.#plan = plan;
    this.dataDir = dataDir;
    this.#pidsPath = pidsPath;
    this.#reserved = reserved;
    this.#release = release;
    this.#pidsFile = new PidsFile(pidsPath);
    this.logDir = resolve(options.logDir ?? join(dataDir, 'logs'));
  }

  /** @throws soon after a `stop` in the meantime, and then begins nothing more */
  begin(): Promise<void> {
    return endingWith(this.#ending.signal, () => this.#begin());
  }

  async #begin(): Promise<void> {
    if (this.#options.runFile) removeRunFile(this.#options.runFile);
    const left = await stopLeftovers(this.#pidsPath);
    if (left.length > 0) this.#say('launcher', 'preparing', `stopped what an earlier start left behind: ${left.join(', ')}`);
    const { own, given, others, unread, processes, secrets, callerKeys } = this.#plan;
    const programs = programsOf(processes);
    const programsOfAll = processes.flatMap((each) => each.programs);
    const { gatewayPort } = this.#options;
    // Before anything is emptied: a port that is in use refuses the start.
    const { ports, keep } = await choosePorts([...own, ...programs], {
      reserved: this.#reserved,
      file: join(this.dataDir, 'ports.json'),
      preferred: this.#options.ports !== 'free',
      gatewayPort,
    });
    this.ports = ports;
    for (const { programs: all } of processes) {
      const ops = ports[all[0] ?? '']?.ops;
      for (const name of all) if (ports[name] && ops) ports[name].ops = ops;
    }
    this.#ending.signal.throwIfAborted();
    if (this.#options.fresh) await emptyDataFolder(this.dataDir);
    this.#pidsFile.add('launcher', process.pid, 'SIGTERM', 5_000);
    process.once('exit', this.#onExit);
    await rotateLogs(this.logDir);
    await keep();
    keepSecrets(this.dataDir, secrets);
    if (unread.length > 0) this.#say('launcher', 'preparing', `nothing here reads ${unread.join(', ')}`);
    for (const { name } of others) this.#say(name, 'ready', 'at the address that the environment gives');
    Object.assign(this.addresses, given);
    for (const server of own) Object.assign(this.addresses, server.address({ ports: this.ports[server.name] ?? {}, secrets }));
    this.admin = { loginId: secrets.adminLoginId, password: secrets.adminPassword };
    Object.assign(this.addresses, addressVariables(this.ports), ofAuth(secrets));
    const reflection = { MUSUBI_GRPC_REFLECTION: process.env.MUSUBI_GRPC_REFLECTION || 'on' };
    if (processes.length > 0) Object.assign(this.addresses, callerKeys, reflection);

    const settings = own.map((server) => ({ server, setting: this.#setting(server, secrets) }));
    await Promise.all(settings.map(({ server, setting }) => this.#startServer(server, setting)));
    for (const { server, setting } of settings) await this.#makeUsers(server, setting, programsOfAll);
    await Promise.all(processes.map((each) => this.#startProcess(each)));
    if (processes.length > 0 && !processes.some((each) => each.programs.includes('bootstrap'))) await this.#bootstrap();
    if (processes.length > 0) keepAdmin(this.dataDir);
    this.#ending.signal.throwIfAborted();
    this.hasStarted = true;
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
    this.#ending.abort(new Error('the stack is being stopped'));
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
    const rounds = Map.groupBy(this.#plan.processes, ({ round }) => round);
    const inOrder = [...rounds].toSorted(([a], [b]) => a - b).map(([, processes]) => processes);
    const phases = [...inOrder, SERVERS].map((components) => components.map(({ name }) => name));
    // It was asked to end; how it ended, who waits for the start hears.
    await this.#bootstrapping?.catch(() => undefined);
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

  /** Has each program reach the server as a user of its own, unless the environment says as whom. */
  async #makeUsers(server: Server, setting: Setting, programs: readonly string[]): Promise<void> {
    const [variable = ''] = Object.keys(server.address(setting));
    const readers = programs.filter((program) => variable in configurationOf(program).shape);
    if (readers.length === 0 || !server.makeUsers) return;
    const made = Object.entries(await server.makeUsers(setting, readers));
    Object.assign(this.addresses, Object.fromEntries(made.filter(([name]) => !process.env[name])));
  }

  async #startServer(server: Server, setting: Setting): Promise<void> {
    await mkdir(setting.data, { recursive: true });
    const { stopSignal, graceMs, mayBeKilled } = server;
    await this.#run({
      name: server.name,
      launch: () => launchOf(server, setting),
      probe: () => server.probe(setting),
      clean: () => server.clean?.(setting) ?? Promise.resolve(),
      stopSignal,
      graceMs,
      mayBeKilled,
      readyMs: READY_MS,
    });
  }

  async #startProcess({ name, programs }: MusubiProcess): Promise<void> {
    const { command: file, args, env } = commandLine(programs);
    await this.#run({
      name,
      launch: async () => ({
        command: file,
        args,
        env: { ...env, ...this.#environmentOf(programs) },
      }),
      probe: () => requireHealthy(this.ports[programs[0] ?? ''] ?? {}),
      stopSignal: 'SIGTERM',
      graceMs: stopGraceMs({ ...process.env, ...this.#options.env }),
      readyMs: READY_MS,
    });
  }

  #environmentOf(programs: readonly string[]): NodeJS.ProcessEnv {
    const listen = listenVariables(programs, this.ports);
    const system = { ...this.addresses, ...ofAdmin(this.#plan.secrets), ...listen, ...this.#options.env };
    return environmentOfProcess(programs, { ...process.env, ...system });
  }

  async #run(plan: Omit<Component['plan'], 'log'>): Promise<void> {
    this.#ending.signal.throwIfAborted();
    this.hasStarted = true;
    const log = join(this.logDir, `${plan.name}.log`);
    const component = new Component({ ...plan, log }, this.#pidsFile, this.#options.restart ?? true, (state, detail) =>
      this.#say(plan.name, state, detail),
    );
    this.#components.set(plan.name, component);
    await component.start();
  }

  /** Makes the first admin and what else must exist once. Running it again changes nothing. */
  async #bootstrap(): Promise<void> {
    // A process that was stopped while it was starting is not there, though its start was not in vain.
    this.#ending.signal.throwIfAborted();
    this.#say('bootstrap', 'starting');
    const { command: program, args, env } = commandLine(['bootstrap']);
    const log = join(this.logDir, 'bootstrap.log');
    const graceMs = stopGraceMs({ ...process.env, ...this.#options.env });
    const running = run(program, args, {
      env: { ...env, ...this.#environmentOf(['bootstrap']) },
      onSpawn: (pid) => this.#pidsFile.add('bootstrap', pid, 'SIGTERM', graceMs),
    });
    const ended = running.finally(() => this.#pidsFile.remove('bootstrap'));
    this.#bootstrapping = ended;
    const said = await ended.catch(async (error: Error) => {
      await writeFile(log, error.message, { mode: 0o600 });
      throw new ComponentFailed('bootstrap', 'failed', log);
    });
    await writeFile(log, said, { mode: 0o600 });
    // One that was asked to end says so like one that has done its work.
    this.#ending.signal.throwIfAborted();
    this.#say('bootstrap', 'ready');
  }

  programPids(): Record<string, number> {
    const pids = this.pids();
    const servers = Object.entries(pids).filter(([name]) => SERVERS.some((server) => server.name === name));
    const programs = PROGRAMS.flatMap(({ name }) => {
      const pid = pids[this.#processOf(name)?.name ?? ''];
      return pid === undefined ? [] : [[name, pid] as const];
    });
    return Object.fromEntries([...servers, ...programs]);
  }

  #processOf(program: string): MusubiProcess | undefined {
    return this.#plan.processes.find(({ programs }) => programs.includes(program));
  }

  /** @param name of a component, or of a program */
  #component(name: string): Component {
    const component = this.#components.get(this.#processOf(name)?.name ?? name);
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

/** @throws with the server's name */
async function launchOf(server: Server, setting: Setting): Promise<Launch> {
  try {
    return { cwd: setting.data, ...(await server.prepare(setting)) };
  } catch (error) {
    throw new Error(`${server.title}: ${reasonOf(error)}`);
  }
}
