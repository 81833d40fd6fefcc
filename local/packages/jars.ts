import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findJdk } from '../jdk.mjs';
import { run, type Say } from '../run-command.ts';
import { cached, shortHash } from './cache.ts';
import { fetchByPython } from './python.ts';
import { jgo } from './wheels.ts';

/** The jars of a server, which are listed, with their hashes, in `<name>.jars` beside this file. All are in one folder. */
export async function jars(name: 'kafka' | 'opensearch', say: Say): Promise<string[]> {
  const list = fileURLToPath(new URL(`${name}.jars`, import.meta.url));
  const text = await readFile(list);
  const key = `${name}-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
  const what = `the jars of ${name}`;
  const folder = await cached({ key, what, say }, async (building) => {
    const env = { PYTHONPATH: await jgo(say), PYTHONDONTWRITEBYTECODE: '1' };
    const script = fileURLToPath(new URL('fetch_jars.py', import.meta.url));
    await fetchByPython(what, [script, list, building], { env, onLine: (count) => say(`fetching jars ${count}`) });
    await rm(join(building, '.repository'), { recursive: true });
  });
  // Sorted, because a CDS archive is only valid for the very class path that it was made with.
  const files = (await readdir(folder)).filter((file) => file.endsWith('.jar')).sort();
  return files.map((file) => join(folder, file));
}

/** A Java source of ours, compiled once for this JDK and these jars. Returns the jar to add to the class path. */
export async function compiled(source: string, jars: string[], say: Say): Promise<string> {
  const jdk = jdkFolder();
  const folderOfJars = dirname(jars[0] ?? '');
  const key = shortHash(await readFile(source, 'utf8'), basename(folderOfJars), jdk);
  const folder = await cached({ key: `compiled-${key}`, what: 'the search server', say }, async (building) => {
    say('compiling the search server');
    const output = join(building, 'classes');
    // All jars of the folder that it runs in: a class path can't express the path of every folder.
    await run(join(jdk, 'javac'), ['-nowarn', '-d', output, '-cp', '*', source], { cwd: folderOfJars });
    // A jar, because an archive of parsed classes takes none from folders.
    await run(join(jdk, 'jar'), ['--create', '--file', join(building, 'ours.jar'), '-C', output, '.']);
  });
  return join(folder, 'ours.jar');
}

/** The folder of the JDK's programs: it tells one JDK from another in the cache's keys. */
export function jdkFolder(): string {
  const jdk = findJdk();
  if (!jdk?.javac) throw new Error('no JDK was found: apt-get install openjdk-17-jdk-headless');
  return jdk.folder;
}
