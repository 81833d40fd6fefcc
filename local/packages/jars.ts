import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, realpath, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, run, type Say, shortHash } from './cache.ts';
import { jgo } from './wheels.ts';

/** The class path of a server whose jars are listed, with their hashes, in `<name>.jars` beside this file. */
export async function classPath(name: 'kafka' | 'opensearch', say: Say): Promise<string> {
  const list = fileURLToPath(new URL(`${name}.jars`, import.meta.url));
  const text = await readFile(list);
  const folder = await cached(
    `${name}-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`,
    say,
    async (building) => {
      const env = { PYTHONPATH: await jgo(say), PYTHONDONTWRITEBYTECODE: '1' };
      const script = fileURLToPath(new URL('fetch_jars.py', import.meta.url));
      await run('python3', [script, list, building], { env, onLine: (count) => say(`fetching jars ${count}`) });
      await rm(join(building, '.repository'), { recursive: true });
    },
  );
  // Sorted, because a CDS archive is only valid for the very class path that it was made with.
  const jars = (await readdir(folder)).filter((file) => file.endsWith('.jar')).sort();
  return jars.map((jar) => join(folder, jar)).join(delimiter);
}

/** A Java source of ours, compiled once for this JDK. Returns the jar to add to the class path. */
export async function compiled(source: string, classes: string, say: Say): Promise<string> {
  const jdk = await jdkFolder();
  const key = shortHash(await readFile(source, 'utf8'), classes, jdk);
  const folder = await cached(`compiled-${key}`, say, async (building) => {
    say('compiling the search server');
    const output = join(building, 'classes');
    await run(join(jdk, 'javac'), ['-nowarn', '-d', output, '-cp', classes, source]);
    // A jar, because an archive of parsed classes takes none from folders.
    await run(join(jdk, 'jar'), ['--create', '--file', join(building, 'ours.jar'), '-C', output, '.']);
  });
  return join(folder, 'ours.jar');
}

/** The folder of the JDK's programs, as its real path: it tells one JDK from another in the cache's keys. */
export async function jdkFolder(): Promise<string> {
  const folders = [process.env.JAVA_HOME && join(process.env.JAVA_HOME, 'bin'), ...(process.env.PATH ?? '').split(delimiter)];
  const found = folders.find((folder) => folder && existsSync(join(folder, 'javac')));
  if (!found) throw new Error('no JDK was found: apt-get install openjdk-17-jdk-headless');
  return dirname(await realpath(join(found, 'javac')));
}
