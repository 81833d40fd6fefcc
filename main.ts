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
  retell: () => import('./services/relay/retell.ts'),
};

const USAGE = `usage: node main.ts ROLE [options]

roles: ${Object.keys(ROLES).join(', ')}
options:
  --queues a,b    worker: the domains whose task queues it polls (default: all)
  --sources a,b   relay: the services whose outboxes it relays (default: all)
  --list          redrive: shows what consumer groups have parked, and does no more
  --group NAME    redrive: the group that gets once more what it has parked
  --event ID      redrive: this event only
  --discard       redrive: gives that event up instead
  --service NAME  retell: the service whose present state is published again (default: all)
  --aggregate ID  retell: this one only
  --after-restore retell: its database is an older copy, so its versions are raised above what readers have
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
if (values.service !== undefined) env.MUSUBI_RETELL_SERVICE = values.service;
if (values.aggregate !== undefined) env.MUSUBI_RETELL_AGGREGATE = values.aggregate;
if (values['after-restore']) env.MUSUBI_RETELL_AFTER_RESTORE = 'true';
if (values.list || values.discard) env.MUSUBI_REDRIVE_ACTION = values.list ? 'list' : 'discard';

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
    service: { type: 'string' },
    aggregate: { type: 'string' },
    'after-restore': { type: 'boolean' },
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
