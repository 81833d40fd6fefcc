import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { pino } from 'pino';
import { Secret } from '../platform/process/config.ts';
import { Lifecycle } from '../platform/process/lifecycle.ts';
import type { Logger } from '../platform/process/log.ts';

/** What a service's store is opened with, on the real server but in a database of one test file's own. */
export interface Scratch {
  url: Secret;
  database: string;
  log: Logger;
  lifecycle: Lifecycle;
  /** Stops what was opened and drops the database. */
  drop(): Promise<void>;
}

/** @param name a word that tells whose database it is */
export function scratchDatabase(name: string): Scratch {
  const url = fromEnvironment('MUSUBI_POSTGRES_URL');
  const log = pino({ level: 'silent' });
  const lifecycle = new Lifecycle(log, 10_000);
  const database = `test_${name}_${randomBytes(5).toString('hex')}`;
  return {
    url: new Secret(url),
    database,
    log,
    lifecycle,
    async drop() {
      await lifecycle.stop('the test is done');
      const client = new Client({ connectionString: url });
      await client.connect();
      await client.query(`drop database if exists ${escapeIdentifier(database)} with (force)`);
      await client.end();
    },
  };
}

/** @throws with what to do when the variable is not set */
export function fromEnvironment(variable: string): string {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: run the tests by \`npm test\`, or give the address of a server of yours`);
  return value;
}
