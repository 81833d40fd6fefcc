import pg from 'pg';
import { ofProgram } from '#platform/process/program.ts';
import { OUTBOXES, outboxPlace } from '../../services/catalogue.ts';
import { randomWord } from '../secrets.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/**
 * Makes a user for each of these programs, with a password for this start. A service's owns its own database, into which nobody
 * else can connect; the relay's is also a member of those that own an outbox, for who publishes a table has to own it.
 *
 * @param url of a superuser
 * @returns the programs' URLs, by their variables
 */
export async function makeUsers(url: string, programs: readonly string[]): Promise<Record<string, string>> {
  const services = programs.filter((program) => program !== 'relay');
  const given: Record<string, string> = {};
  await withClient(url, async (client) => {
    for (const program of programs) {
      const user = userOf(program);
      const password = randomWord();
      const { rowCount } = await client.query('select from pg_roles where rolname = $1', [user]);
      await client.query(
        `${rowCount === 0 ? 'create' : 'alter'} role ${name(user)} login password ${literal(password)}${program === 'relay' ? ' replication' : ''}`,
      );
      given[ofProgram(program, 'MUSUBI_POSTGRES_URL')] = Object.assign(new URL(url), { username: user, password }).href;
    }
    for (const service of services) await makeDatabase(client, service);
    if (programs.includes('relay')) {
      const sources = OUTBOXES.filter(({ name: source, kind }) => kind === 'postgres' && services.includes(source));
      for (const { name: source } of sources) await client.query(`grant ${name(userOf(source))} to ${name(userOf('relay'))}`);
    }
  });
  for (const service of services) {
    const address = Object.assign(new URL(url), { pathname: `/${databaseOf(service)}` });
    await withClient(address.href, (client) => handOver(client, userOf(service)));
  }
  return given;
}

const userOf = (program: string): string => `musubi_${program}`;
const databaseOf = (service: string): string => outboxPlace(service, 'postgres');

async function makeDatabase(client: pg.Client, service: string): Promise<void> {
  const database = databaseOf(service);
  const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
  if (rowCount === 0) await client.query(`create database ${name(database)}`);
  await client.query(`alter database ${name(database)} owner to ${name(userOf(service))}`);
  await client.query(`revoke all on database ${name(database)} from public`);
}

/** What another user made, when there was only one for all programs, becomes its owner's. */
async function handOver(client: pg.Client, user: string): Promise<void> {
  const { rows } = await client.query<{ what: string }>(
    `select format('table %s', oid::regclass) as what from pg_class
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and relowner <> $1::regrole
         and not exists (select from pg_depend where objid = pg_class.oid and deptype = 'e')
     union all select format('publication %I', pubname) from pg_publication where pubowner <> $1::regrole`,
    [user],
  );
  for (const { what } of rows) await client.query(`alter ${what} owner to ${name(user)}`);
}

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
