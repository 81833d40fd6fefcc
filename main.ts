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
  repair: () => import('./worker/repair.ts'),
};

const USAGE = `usage: node main.ts ROLE [options]

roles: ${Object.keys(ROLES).join(', ')}
options:
  --queues a,b    worker: the domains whose task queues it polls (default: all)
  --sources a,b   relay: the services whose outboxes it relays (default: all)
  --list          redrive, repair: shows what there is to do, and does no more
  --group NAME    redrive: the group that gets once more what it has parked
  --event ID      redrive: this event only
  --discard       redrive: gives that event up instead
  --job ID        repair: this job only
  --version       which release this is

Everything else is configured by environment variables: see README.md.
`;

const { values, positionals } = commandLine();
if (values.version) {
  const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };
  process.stdout.write(`musubi ${version}\n`);
  process.exit(0);
}
const [name = ''] = positionals;
const load = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
if (values.help || !load || positionals.length !== 1) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}
const env = { ...process.env };
if (values.queues !== undefined) env.MUSUBI_WORKER_QUEUES = values.queues;
if (values.sources !== undefined) env.MUSUBI_RELAY_SOURCES = values.sources;
if (values.group !== undefined) env.MUSUBI_REDRIVE_GROUP = values.group;
if (values.event !== undefined) env.MUSUBI_REDRIVE_EVENT = values.event;
if (values.discard) env.MUSUBI_REDRIVE_ACTION = 'discard';
if (values.list) env[`MUSUBI_${name.toUpperCase()}_ACTION`] = 'list';
if (values.job !== undefined) env.MUSUBI_REPAIR_JOB = values.job;

const role = await load();
await runProcess(
  name,
  role.shape,
  env,
  (app) => role.start(app as App<never>),
  (config) => role.check?.(config as never) ?? {},
);

function commandLine() {
  const options = {
    queues: { type: 'string' },
    sources: { type: 'string' },
    list: { type: 'boolean' },
    group: { type: 'string' },
    event: { type: 'string' },
    discard: { type: 'boolean' },
    job: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const;
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return process.exit(2);
  }
}
