import type { Document } from 'mongodb';
import { ofProgram } from '#platform/process/program.ts';
import { OUTBOXES, outboxPlace } from '../../services/catalogue.ts';
import { randomWord } from '../secrets.ts';

type Command = (command: Document) => Promise<Document>;

const OUTBOX_READER = 'musubi_outbox_reader';
/** Codes of the server: the user, or the role, is there already. */
const ALREADY = new Set([51_003, 51_002]);

/**
 * Makes a user for each of these programs, with a password for this start: a service's may do anything in its own database, the
 * relay's read and empty outboxes.
 *
 * @param url of an administrator, whose commands `command` runs
 * @returns the programs' URLs, by their variables
 */
export async function makeUsers(url: string, command: Command, programs: readonly string[]): Promise<Record<string, string>> {
  const given: Record<string, string> = {};
  if (programs.includes('relay')) await makeRole(command, programs);
  for (const program of programs) {
    const [user, pwd] = [`musubi_${program}`, randomWord()];
    const own = outboxPlace(program, 'mongodb');
    const roles =
      program === 'relay'
        ? [OUTBOX_READER]
        : [
            { role: 'readWrite', db: own },
            { role: 'dbAdmin', db: own },
          ];
    await orUpdate(command, { createUser: user, pwd, roles }, { updateUser: user, pwd, roles });
    given[ofProgram(program, 'MUSUBI_MONGODB_URL')] = Object.assign(new URL(url), { username: user, password: pwd }).href;
  }
  return given;
}

async function makeRole(command: Command, programs: readonly string[]): Promise<void> {
  const databases = OUTBOXES.filter(({ name, kind }) => kind === 'mongodb' && programs.includes(name)).map(({ place }) => place);
  const privileges = databases.flatMap((db) => [
    { resource: { db, collection: 'outbox' }, actions: ['find', 'remove', 'changeStream'] },
    { resource: { db, collection: 'outbox_relay' }, actions: ['find', 'insert', 'update'] },
  ]);
  const rights = { privileges, roles: [] };
  await orUpdate(command, { createRole: OUTBOX_READER, ...rights }, { updateRole: OUTBOX_READER, ...rights });
}

async function orUpdate(command: Command, create: Document, update: Document): Promise<void> {
  await command(create).catch(async (error: { code?: number }) => {
    if (!ALREADY.has(error.code ?? 0)) throw error;
    await command(update);
  });
}
