import { readFileSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { runProcess } from './platform/process/process.ts';
import type { Program } from './platform/process/program.ts';
import { ROUNDS } from './programs.ts';
import { SERVICES } from './services/catalogue.ts';

type Load = () => Promise<Program>;

/** What operators run alone, and what it does. */
const TASKS: Record<string, { load: Load; says: string }> = {
  redrive: {
    load: () => import('./platform/kafka/redrive.ts'),
    says: 'gives consumer groups the messages again that they have parked',
  },
  retell: {
    load: () => import('./services/relay/retell.ts'),
    says: 'has services tell their present state once more, and queries agree with it',
  },
  repair: { load: () => import('./worker/repair.ts'), says: 'ends jobs whose workflows were closed or lost' },
  erasures: {
    load: () => import('./services/auth/report-erasures.ts'),
    says: 'prints what was erased of each deleted member, where and when, and what is left: a line of JSON each',
  },
  'give-up': {
    load: () => import('./services/group/give-up.ts'),
    says: 'has groups pass for deleted that Group does not know, as its database is an older copy',
  },
  callers: { load: () => import('./services/callers.ts'), says: 'makes the keys by which programs prove who they are' },
  audit: {
    load: () => import('./services/auth/audit/task.ts'),
    says: 'looks whether the audit is whole, and prints its head; ends with 1 where it is broken',
  },
};

/** Each program's module. */
const PROGRAMS: Record<string, Load> = {
  ...Object.fromEntries(Object.keys(SERVICES).map((name) => [name, () => import(`./services/${name}/main.ts`)])),
  gateway: () => import('./gateway/main.ts'),
  bootstrap: () => import('./gateway/bootstrap.ts'),
  worker: () => import('./worker/main.ts'),
  relay: () => import('./services/relay/main.ts'),
  ...Object.fromEntries(Object.entries(TASKS).map(([name, { load }]) => [name, load])),
};

/** The programs that a process may have side by side. */
const TOGETHER = ROUNDS.flat();

/** An option of one program: a variable of its environment, given on the command line. */
interface Option {
  name: string;
  /** How the usage shows its value. Without one it is a flag. */
  value?: string;
  of: string;
  sets: string;
  /** What a flag sets the variable to. Default: true. */
  to?: string;
  says: string;
}

const OPTIONS: readonly Option[] = [
  {
    name: 'queues',
    value: 'a,b',
    of: 'worker',
    sets: 'MUSUBI_WORKER_QUEUES',
    says: 'the domains whose sagas it works on (default: all)',
  },
  {
    name: 'sources',
    value: 'a,b',
    of: 'relay',
    sets: 'MUSUBI_RELAY_SOURCES',
    says: 'the services whose outboxes it relays (default: all)',
  },
  {
    name: 'list',
    of: 'redrive',
    sets: 'MUSUBI_REDRIVE_ACTION',
    to: 'list',
    says: 'prints what consumer groups have parked, a line of JSON each, and does no more',
  },
  {
    name: 'group',
    value: 'NAME',
    of: 'redrive',
    sets: 'MUSUBI_REDRIVE_GROUP',
    says: 'the group that gets what it has parked again',
  },
  {
    name: 'event',
    value: 'ID',
    of: 'redrive',
    sets: 'MUSUBI_REDRIVE_EVENT',
    says: 'only the parked message of this event ID or number',
  },
  { name: 'discard', of: 'redrive', sets: 'MUSUBI_REDRIVE_ACTION', to: 'discard', says: 'gives that message up instead' },
  {
    name: 'service',
    value: 'NAME',
    of: 'retell',
    sets: 'MUSUBI_RETELL_SERVICE',
    says: 'the service whose present state is published again (default: all)',
  },
  { name: 'aggregate', value: 'ID', of: 'retell', sets: 'MUSUBI_RETELL_AGGREGATE', says: 'this one only' },
  {
    name: 'after-restore',
    of: 'retell',
    sets: 'MUSUBI_RETELL_AFTER_RESTORE',
    says: 'its database is an older copy, so its versions are raised above what readers have',
  },
  {
    name: 'list',
    of: 'repair',
    sets: 'MUSUBI_REPAIR_ACTION',
    to: 'list',
    says: 'prints the jobs that have not ended and what each needs, and does no more',
  },
  {
    name: 'groups',
    value: 'ID,ID',
    of: 'give-up',
    sets: 'MUSUBI_GIVE_UP_GROUPS',
    says: 'the groups that are given up',
  },
  {
    name: 'token',
    value: 'SERVICE',
    of: 'callers',
    sets: 'MUSUBI_CALLERS_SERVICE',
    says: 'prints what a call to that service is made with, instead of new keys (metadata musubi-caller)',
  },
  {
    name: 'caller',
    value: 'NAME',
    of: 'callers',
    sets: 'MUSUBI_CALLERS_NAME',
    says: 'whose key, or whose token (default: all keys, a token of operator)',
  },
  {
    name: 'head',
    value: 'N:HASH',
    of: 'audit',
    sets: 'MUSUBI_AUDIT_HEAD',
    says: 'a head that an earlier check has printed, which must still be there',
  },
  { name: 'job', value: 'ID', of: 'repair', sets: 'MUSUBI_REPAIR_JOB', says: 'this job only, and at once' },
];

const usageOf = (option: string, says: string): string => `  ${option.padEnd(17)}${says}`;

const USAGE = `usage: node_modules/.bin/node main.ts PROGRAM[,PROGRAM…] [options]

one or several, side by side in one process:
  ${TOGETHER.join(', ')}
alone, and then it ends:
${Object.entries(TASKS)
  .map(([name, { says }]) => usageOf(name, says))
  .join('\n')}
options:
${OPTIONS.map(({ name, value = '', of, says }) => usageOf(`--${name} ${value}`, `${of}: ${says}`)).join('\n')}
${usageOf('--version', 'which release this is')}
${usageOf('--help', 'this text')}

Everything else is configured by environment variables: see README.md. In a process of several programs,
MUSUBI_MEMBER_POSTGRES_URL is MUSUBI_POSTGRES_URL for the program member only; so with every variable of a program.
`;

const { values, positionals } = commandLine();
if (values.help) answer(USAGE);
if (values.version) {
  const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };
  answer(`musubi ${version}\n`);
}
const [list, ...more] = positionals;
if (list === undefined) refuse('a program is missing');
if (more.length > 0) refuse(`programs are separated by commas, without spaces; ${more.join(' ')} is too much`);
const names = list.split(',');
for (const name of names) {
  if (!Object.hasOwn(PROGRAMS, name)) refuse(`there is no program ${name}`);
  if (names.length > 1 && !TOGETHER.includes(name)) refuse(`${name} is a process of its own: node main.ts ${name}`);
}
if (new Set(names).size < names.length) refuse('a program is named twice');
const given = Object.keys(values).map(
  (option) => OPTIONS.find(({ name, of }) => name === option && names.includes(of)) ?? option,
);
const foreign = given.find((option) => typeof option === 'string');
if (foreign !== undefined) refuse(`--${foreign} is no option of ${list}`);
if (values.list && values.discard) refuse('--list and --discard exclude each other');
if (values.list && values.event !== undefined) refuse('--list shows all that is parked: leave out --event');
const env = { ...process.env };
// Each program is given what it reads; what is another's, nobody finds here.
for (const name of Object.keys(env)) if (name.startsWith('MUSUBI_')) delete process.env[name];
for (const option of given as Option[]) {
  const value = values[option.name];
  // An empty variable counts as none; an option that is given is never taken as absent.
  if (value === '') refuse(`--${option.name} is empty; give ${option.value}, or leave it out`);
  env[option.sets] = typeof value === 'string' ? value : (option.to ?? 'true');
}

const rounds = names.length > 1 ? ROUNDS.map((round) => round.filter((name) => names.includes(name))) : [names];
await runProcess(await Promise.all(rounds.map(load)), env);

async function load(round: readonly string[]): Promise<Record<string, Program>> {
  const programs = round.map(async (name) => [name, await (PROGRAMS[name] as () => Promise<Program>)()] as const);
  return Object.fromEntries(await Promise.all(programs));
}

function commandLine() {
  const ofPrograms = OPTIONS.map(({ name, value }) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const);
  const options: NonNullable<ParseArgsConfig['options']> = {
    ...Object.fromEntries(ofPrograms),
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  };
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function answer(text: string): never {
  process.stdout.write(text);
  process.exit(0);
}

function refuse(problem: string): never {
  process.stderr.write(`${problem}\n\n${USAGE}`);
  process.exit(2);
}
