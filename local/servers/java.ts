import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { shortHash } from '../packages/cache.ts';
import { jdkFolder } from '../packages/jars.ts';
import { cacheRoot } from '../places.ts';
import { run } from '../run-command.ts';
import type { Launch } from './server.ts';

/** A server that runs in a Java virtual machine. */
export interface JavaProgram {
  name: string;
  /** The folder that it runs in. */
  data: string;
  jars: string[];
  /** Flags of the virtual machine. */
  flags: string[];
}

/** The configuration of log4j 2 with which a server says what goes wrong, and nothing more. */
export const QUIET = `\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
`;

/** In the server's own folder, a link to the cache: the path of the cache may hold what a class path can't (a colon). */
const CACHE = 'cache';

/**
 * How to run a class of a program, in its own folder.
 *
 * Java's class data sharing halves the start: the classes that a server has loaded are written to a file once, already
 * parsed, and mapped into memory by every later start. The first start records what it loads; the file is written from
 * the running server by `jcmd`, so that no stop has to wait for it.
 */
export async function javaLaunch(program: JavaProgram, args: string[]): Promise<Launch> {
  const { data, jars, flags } = program;
  await mkdir(data, { recursive: true });
  await rm(join(data, CACHE), { force: true });
  await symlink(cacheRoot(), join(data, CACHE));
  const archive = await archiveOf(program);
  const sharing = existsSync(join(data, archive))
    ? [`-XX:SharedArchiveFile=${archive}`, '-Xshare:auto']
    : ['-XX:+RecordDynamicDumpInfo'];
  const quiet = ['-Xlog:disable', '-Xlog:all=error:stderr'];
  return {
    command: join(jdkFolder(), 'java'),
    args: [...flags, ...sharing, ...quiet, '-cp', classPath(jars), ...args],
    cwd: data,
  };
}

/** Writes the archive from a running server, if there is none yet. A failure only means that the next start is slower. */
export async function keepArchive(program: JavaProgram, pid: number): Promise<void> {
  const { data } = program;
  const archive = await archiveOf(program);
  if (existsSync(join(data, archive))) return;
  const unfinished = `${archive}.${pid}`;
  try {
    await mkdir(dirname(join(data, archive)), { recursive: true });
    await run(join(jdkFolder(), 'jcmd'), [String(pid), 'VM.cds', 'dynamic_dump', unfinished]);
    if (existsSync(join(data, unfinished))) await rename(join(data, unfinished), join(data, archive));
  } catch {
    await rm(join(data, unfinished), { force: true });
  }
}

/** The archive's file as the server sees it. It is good for this JDK, class path and flags. */
async function archiveOf({ name, jars, flags }: JavaProgram): Promise<string> {
  return join(CACHE, 'class-archives', `${name}-${shortHash(jdkFolder(), classPath(jars), ...flags)}.jsa`);
}

const classPath = (jars: string[]): string => jars.map((jar) => join(CACHE, relative(cacheRoot(), jar))).join(':');
