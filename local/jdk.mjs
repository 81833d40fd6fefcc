// Where the JDK is. Plain JavaScript for any Node from 20 on: it is looked for before anything is installed.
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/**
 * The folder of the JDK's programs, as its real path: `java` may be a link to one of them, alone. A Java without a compiler is
 * taken where there is no other.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {{folder: string, javac: boolean} | undefined}
 */
export function findJdk(env = process.env) {
  const places = [env.JAVA_HOME && join(env.JAVA_HOME, 'bin'), ...(env.PATH ?? '').split(delimiter)];
  const found = places
    .flatMap((place) => (place && existsSync(join(place, 'java')) ? [dirname(realpathSync(join(place, 'java')))] : []))
    .map((folder) => ({ folder, javac: existsSync(join(folder, 'javac')) }));
  return found.find(({ javac }) => javac) ?? found[0];
}
