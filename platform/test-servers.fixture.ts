import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { Secret } from './process/config.ts';
import { Lifecycle } from './process/lifecycle.ts';
import { createLogger, type Logger } from './process/log.ts';

/*
 * For tests that need real servers: where they are, and names that no other test uses.
 */

/** The value of a variable that the test runner sets. */
export function fromRunner(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(
    `${name} is not set: this test needs real servers. Run it by \`npm test -- FILE\`, or set the address yourself.`,
  );
}

export const servers = {
  postgres: (): Secret => new Secret(fromRunner('MUSUBI_POSTGRES_URL')),
  mongodb: (): Secret => new Secret(fromRunner('MUSUBI_MONGODB_URL')),
  redis: (): Secret => new Secret(fromRunner('MUSUBI_REDIS_URL')),
  kafka: (): string[] => fromRunner('MUSUBI_KAFKA_BROKERS').split(','),
};

/** A name of its own for a database, stream, topic or group. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomBytes(4).toString('hex')}`;
}

/** What `start` of a program is given, for a test that is the process. Call `lifecycle.stop` at its end. */
export function testProcess(name: string): { log: Logger; lifecycle: Lifecycle } {
  const log = createLogger(name, process.env.MUSUBI_TEST_LOG_LEVEL ?? 'silent');
  const lifecycle = new Lifecycle(log, 20_000);
  lifecycle.markStarted();
  return { log, lifecycle };
}

/** Removes a database and its replication slots, whoever still uses them. */
export async function dropDatabase(url: Secret, database: string): Promise<void> {
  const client = new Client({ connectionString: url.reveal() });
  await client.connect();
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        // Each time: a relay that goes on takes the slot again, or makes it again.
        await client.query('select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1 and active', [
          database,
        ]);
        await client.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1', [
          database,
        ]);
        return void (await client.query(`drop database if exists ${escapeIdentifier(database)} with (force)`));
      } catch (error) {
        if (attempt === 300) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100)); // its reader is just ending
      }
    }
  } finally {
    await client.end();
  }
}
