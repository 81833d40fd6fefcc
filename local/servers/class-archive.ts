import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run, shortHash } from '../packages/cache.ts';
import { jdkFolder } from '../packages/jars.ts';
import { cacheRoot } from '../places.ts';

/**
 * Java's class data sharing: the classes that a server has loaded are written to a file once, already parsed, and mapped
 * into memory by every later start, which halves it. The first start records what it loads; the file is written from the
 * running server by `jcmd`, so that no stop has to wait for it.
 */
export async function archiveFlags(name: string, classes: string, jvm: string[]): Promise<string[]> {
  const path = join(cacheRoot(), 'class-archives', `${name}-${shortHash(await jdkFolder(), classes, ...jvm)}.jsa`);
  paths.set(name, path);
  if (existsSync(path)) return [`-XX:SharedArchiveFile=${path}`, '-Xshare:auto', '-Xlog:disable', '-Xlog:all=error:stderr'];
  return ['-XX:+RecordDynamicDumpInfo', '-Xlog:disable', '-Xlog:all=error:stderr'];
}

/** Writes the archive from a running server, if there is none yet. A failure only means that the next start is slower. */
export async function keepArchive(name: string, pid: number): Promise<void> {
  const path = paths.get(name);
  if (!path || existsSync(path)) return;
  const unfinished = `${path}.${pid}`;
  try {
    await mkdir(join(path, '..'), { recursive: true });
    await run(join(await jdkFolder(), 'jcmd'), [String(pid), 'VM.cds', 'dynamic_dump', unfinished]);
    if (existsSync(unfinished)) await rename(unfinished, path);
  } catch {
    await rm(unfinished, { force: true });
  }
}

const paths = new Map<string, string>();
