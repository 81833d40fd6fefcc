import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { type App, runProcess } from './platform/process.ts';
import { SERVICES } from './services/catalogue.ts';

/** What a role's main.ts exports: the environment variables it reads, and how it starts. */
interface Role {
  shape: z.ZodRawShape;
  /** What must hold between them. */
  check?(config: never): Record<string, string>;
  /** Whether standard output is for what it prints, not for its log. */
  prints?: boolean;
  /** Each role knows its own configuration; this table needs none of it. */
  start(app: App<never>): Promise<unknown>;
}

const ROLES: Record<string, () => Promise<Role>> = {
  ...Object.fromEntries(Object.keys(SERVICES).map((name) => [name, () => import(`./services/${name}/main.ts`)])),
  gateway: () => import('./gateway/main.ts'),
  bootstrap: () => import('./gateway/bootstrap.ts'),
  worker: () => import('./worker/main.ts'),
  relay: () => import('./services/relay/main.ts'),
  websocket: () => import('./services/websocket/main.ts'),
  redrive: () => import('./platform/kafka/redrive.ts'),
  retell: () => import('./services/relay/retell.ts'),
  repair: () => import('./worker/repair.ts'),
};

const USAGE = `usage: node main.ts ROLE [options]

roles: ${Object.keys(ROLES).join(', ')}
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

Everything else is configured by environment variables: see README.md.
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
const [name, ...more] = positionals;
if (name === undefined) refuse('a role is missing');
const load = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
if (!load) refuse(`there is no role ${name}`);
if (more.length > 0) refuse(`one process is one role; ${more.join(' ')} is too much`);
const foreign = Object.keys(values).find((option) => !OPTIONS[name]?.includes(option));
if (foreign !== undefined) refuse(`--${foreign} is no option of ${name}`);
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
if (values.list) env[name === 'repair' ? 'MUSUBI_REPAIR_ACTION' : 'MUSUBI_REDRIVE_ACTION'] = 'list';

const role = await load();
await runProcess(
  name,
  role.shape,
  env,
  (app) => role.start(app as App<never>),
  (config) => role.check?.(config as never) ?? {},
  role.prints,
);

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
