import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runProcess } from './platform/process.ts';
import type { Program } from './platform/program.ts';
import { ROUNDS } from './programs.ts';
import { SERVICES } from './services/catalogue.ts';

/** Each program's module. */
const PROGRAMS: Record<string, () => Promise<Program>> = {
  ...Object.fromEntries(Object.keys(SERVICES).map((name) => [name, () => import(`./services/${name}/main.ts`)])),
  gateway: () => import('./gateway/main.ts'),
  bootstrap: () => import('./gateway/bootstrap.ts'),
  worker: () => import('./worker/main.ts'),
  relay: () => import('./services/relay/main.ts'),
  redrive: () => import('./platform/kafka/redrive.ts'),
  retell: () => import('./services/relay/retell.ts'),
  repair: () => import('./worker/repair.ts'),
};

/** The programs that a process may have side by side. */
const TOGETHER = ROUNDS.flat();

const USAGE = `usage: node main.ts PROGRAM[,PROGRAM…] [options]

one or several, side by side in one process:
  ${TOGETHER.join(', ')}
alone:
  ${Object.keys(PROGRAMS)
    .filter((name) => !TOGETHER.includes(name))
    .join(', ')}
options:
  --queues a,b    worker: the domains whose sagas it works on (default: all)
  --sources a,b   relay: the services whose outboxes it relays (default: all)
  --list          redrive: prints what consumer groups have parked, a line of JSON each, and does no more;
                  repair: prints the jobs that have not ended and what each needs, and does no more
  --group NAME    redrive: the group that gets once more what it has parked
  --event ID      redrive: only the parked message of this event ID or number
  --discard       redrive: gives that message up instead
  --service NAME  retell: the service whose present state is published again (default: all)
  --aggregate ID  retell: this one only
  --after-restore retell: its database is an older copy, so its versions are raised above what readers have
  --job ID        repair: this job only, and at once
  --version       which release this is
  --help          this text

Everything else is configured by environment variables: see README.md. In a process of several programs,
MUSUBI_MEMBER_POSTGRES_URL is MUSUBI_POSTGRES_URL for the program member only; so with every variable.
`;

/** Whose the options are. */
const OPTIONS: Record<string, readonly string[]> = {
  worker: ['queues'],
  relay: ['sources'],
  redrive: ['list', 'group', 'event', 'discard'],
  retell: ['service', 'aggregate', 'after-restore'],
  repair: ['list', 'job'],
};

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
  if (names.length > 1 && !TOGETHER.includes(name)) refuse(`${name} is a process of its own`);
}
if (new Set(names).size < names.length) refuse('a program is named twice');
const foreign = Object.keys(values).find((option) => !names.some((name) => OPTIONS[name]?.includes(option)));
if (foreign !== undefined) refuse(`--${foreign} is no option of ${list}`);
if (values.list && values.discard) refuse('--list and --discard exclude each other');
if (values.list && values.event !== undefined) refuse('--list shows all that is parked: leave out --event');
const env = { ...process.env };
if (values.queues !== undefined) env.MUSUBI_WORKER_QUEUES = values.queues;
if (values.sources !== undefined) env.MUSUBI_RELAY_SOURCES = values.sources;
if (values.group !== undefined) env.MUSUBI_REDRIVE_GROUP = values.group;
if (values.event !== undefined) env.MUSUBI_REDRIVE_EVENT = values.event;
if (values.service !== undefined) env.MUSUBI_RETELL_SERVICE = values.service;
if (values.aggregate !== undefined) env.MUSUBI_RETELL_AGGREGATE = values.aggregate;
if (values['after-restore']) env.MUSUBI_RETELL_AFTER_RESTORE = 'true';
if (values.job !== undefined) env.MUSUBI_REPAIR_JOB = values.job;
if (values.discard) env.MUSUBI_REDRIVE_ACTION = 'discard';
if (values.list) env[list === 'repair' ? 'MUSUBI_REPAIR_ACTION' : 'MUSUBI_REDRIVE_ACTION'] = 'list';

const rounds = names.length > 1 ? ROUNDS.map((round) => round.filter((name) => names.includes(name))) : [names];
await runProcess(await Promise.all(rounds.map(load)), env);

async function load(round: readonly string[]): Promise<Record<string, Program>> {
  const programs = round.map(async (name) => [name, await (PROGRAMS[name] as () => Promise<Program>)()] as const);
  return Object.fromEntries(await Promise.all(programs));
}

function commandLine() {
  const options = {
    queues: { type: 'string' },
    sources: { type: 'string' },
    list: { type: 'boolean' },
    group: { type: 'string' },
    event: { type: 'string' },
    discard: { type: 'boolean' },
    service: { type: 'string' },
    aggregate: { type: 'string' },
    'after-restore': { type: 'boolean' },
    job: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const;
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
