import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run, type Say } from '../run-command.ts';
import type { Secrets } from '../secrets.ts';

/** How a process is started. */
export interface Launch {
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}

/** What a server is given when it is made ready to start. */
export interface Setting {
  /** The server's own folder; it exists. */
  data: string;
  /** The ports reserved for it, by the names that it asked for. */
  ports: Record<string, number>;
  secrets: Secrets;
  say: Say;
}

/** A server of the stack: one file each in this folder. */
export interface Server {
  name: string;
  title: string;
  /** The ports that it listens on, with the ones that it would like. */
  ports: Record<string, number>;
  /** The environment variables that hold its address; all but the credentials make up an address of one's own. */
  address(setting: Pick<Setting, 'ports' | 'secrets'>): Record<string, string>;
  /**
   * Fetches the program, writes configuration, makes the data folder. Idempotent.
   *
   * The program runs in `data`, so that it can be given files by their names alone: a path may hold anything that
   * a command line, a list, a URL or a properties file reads in another way.
   */
  prepare(setting: Setting): Promise<Launch>;
  /** Talks to the running server; throws as long as it does not answer as it should. */
  probe(setting: Setting): Promise<void>;
  /** Talks to a server of the user's own; throws what is in the way of using it, as a ConfigError where it is not the first variable. */
  reach(address: Record<string, string>): Promise<void>;
  /**
   * Makes users of these programs, each with the rights on what is its own; what they could do otherwise, the address lets all do.
   *
   * @returns the variables of the programs that have one of their own: `MUSUBI_MEMBER_POSTGRES_URL`
   */
  makeUsers?(setting: Setting, programs: readonly string[]): Promise<Record<string, string>>;
  /** Once everything answers for the first time: what makes later starts faster. It may fail. */
  settle?(setting: Setting, pid: number): Promise<void>;
  /** Whether it could not use a port though it is free. */
  refuses?(port: number): boolean;
  /** Clears what it leaves outside its own folder; called after it has ended. */
  clean?(setting: Pick<Setting, 'ports'>): Promise<void>;
  stopSignal: NodeJS.Signals;
  /** How long it may take to stop before it is killed. */
  graceMs: number;
  /** Whether being killed then is how it stops: what it has acknowledged is on disk already. */
  mayBeKilled?: boolean;
}

/**
 * A program on the PATH, if it is of the series that the pinned package has: its data must stay readable when one is
 * used today and the other tomorrow.
 */
export async function onPath(program: string, series: RegExp): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    if (!isExecutable(path)) continue;
    const version = await run(path, ['--version']).catch(() => '');
    return series.test(version) ? path : undefined;
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** GETs a URL that must answer 200 within five seconds. What it answers instead says why it is not ready. */
export async function mustAnswer(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${body.slice(0, 500)}`);
}
