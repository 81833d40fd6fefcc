import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { ofProgram } from '#platform/process/program.ts';
import { OUTBOXES } from '../../services/catalogue.ts';
import { randomWord } from '../secrets.ts';

/** How the keys and channels of a program begin, where that is not its own name. */
const BEGINNINGS: Readonly<Record<string, string>> = { websocket: 'ws' };

/** What programs do; the server itself they only ask how it is, as their clients do when they connect. */
const COMMANDS = ['+@all', '-@admin', '-@dangerous', '+info', '-function', '-script|flush', '-script|kill'];

/**
 * Makes a user for each of these programs, with a password for this start: a service's may use keys and channels of its own, and
 * its outbox; the relay's outboxes.
 *
 * @param url of an administrator, who is connected as `redis`
 * @returns the programs' URLs, by their variables
 */
export async function makeUsers(url: string, redis: Redis, programs: readonly string[]): Promise<Record<string, string>> {
  const given: Record<string, string> = {};
  for (const program of programs) {
    const [user, password] = [userOf(program), randomWord()];
    await redis.acl('SETUSER', user, 'reset', 'on', `>${password}`, ...rightsOf(program), ...COMMANDS);
    given[ofProgram(program, 'MUSUBI_REDIS_URL')] = Object.assign(new URL(url), { username: user, password }).href;
  }
  // So that they are there again when the server is.
  await redis.acl('SAVE');
  return given;
}

export const userOf = (program: string): string => `musubi_${program}`;

function rightsOf(program: string): string[] {
  const outboxes = OUTBOXES.filter(({ name, kind }) => kind === 'redis' && (program === 'relay' || name === program));
  const places = outboxes.flatMap(({ place }) => (program === 'relay' ? [`~${place}`, `~${place}:relay`] : [`~${place}`]));
  if (program === 'relay') return places;
  const own = BEGINNINGS[program] ?? program;
  // Those in partitions have a hash tag: `{chat:07}:`.
  return [`~${own}:*`, `~{${own}:*`, `&${own}:*`, '~write-probe', ...places];
}

/** The file of users as it is before programs have theirs: one who may do everything, and nobody who brings no password. */
export const firstUsers = (admin: string, password: string): string => `user default reset off\n${adminUser(admin, password)}\n`;

/** The file of users with another password of the administrator. */
export const withAdmin = (users: string, admin: string, password: string): string => {
  const others = users.split('\n').filter((line) => line !== '' && !line.startsWith(`user ${admin} `));
  return `${[adminUser(admin, password), ...others].join('\n')}\n`;
};

const adminUser = (admin: string, password: string): string =>
  `user ${admin} reset on #${createHash('sha256').update(password).digest('hex')} ~* &* +@all`;
