// The options of `npm start`, `npm test`, `npm run bench` and `npm run record-histories`. Plain JavaScript for any Node from 20 on, because `--help`,
// `--version` and a wrong option are answered before anything is installed.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

const START = `usage: npm start -- [options]

Starts the real servers and all of Musubi's processes on this machine, and stops them on Ctrl-C.

options:
  --port N     the gateway's port; 0: free ports for everything (default: the well-known ports where they are free)
  --data DIR   keep the data in DIR, and run.json too (default: .musubi/data in this checkout)
  --fresh      start empty: deletes the data of earlier starts
  --processes few|each   whether Musubi's programs share two processes, or have one each (default: few)
  --version    which release this is
  --help       this text

environment:
  MUSUBI_ADMIN_LOGIN_ID, MUSUBI_ADMIN_PASSWORD   the first admin (default: admin, and a password made up once);
                                                 kept: what later starts say is ignored
  MUSUBI_PUBLIC_URL, MUSUBI_WEBSOCKET_URL        where clients find the gateway and the socket, when behind a proxy
  MUSUBI_TRUSTED_PROXIES                         proxies whose X-Forwarded-For is believed (default: none)
  MUSUBI_ALLOWED_ORIGINS                         https://app.example.org,…: whose pages may use API and socket
  MUSUBI_AUTH_MASTER_KEY                         base64 of 32 bytes (default: made up once)
  MUSUBI_CACHE                                   where downloads are kept (default: .musubi/cache)
  MUSUBI_LOG_LEVEL                               of Musubi's processes (default: info)
  An address replaces a server, which is then not started:
  MUSUBI_TEMPORAL_ADDRESS (with MUSUBI_TEMPORAL_NAMESPACE and MUSUBI_TEMPORAL_UI), MUSUBI_POSTGRES_URL, MUSUBI_MONGODB_URL, MUSUBI_REDIS_URL,
  MUSUBI_KAFKA_BROKERS, MUSUBI_OPENSEARCH_URL,
  MUSUBI_S3_ENDPOINT (with MUSUBI_S3_ACCESS_KEY_ID and MUSUBI_S3_SECRET_ACCESS_KEY)
  README.md lists all of them, with what they mean. What is wrong with one is said before a server is fetched or started.
`;

const TEST = `usage: npm test -- [files] [options]

Starts a system of its own on free ports, runs the tests against it (default: all), and removes it.

options:
  --match TITLE   only tests of this title; * stands for anything
  --whole         every case of what takes long, too (npm run matrix)
  --processes few|each   whether Musubi's programs share two processes, or have one each (default: few; each for test/faults, and with --whole both)
  --version       which release this is
  --help          this text
`;

const BENCH = `usage: npm run bench -- NAME [options]

Measures and prints. bench/README.md lists what can be measured; without a NAME the names are told.

options:
  --clients N     access: so many members that work while their permissions change (default: 50)
  --seconds N     access: for so long (default: 60)
  --seed N        access, positions: draws the same again (default: another one each time)
  --rounds N      positions: so many times one is taken away (default: 1000)
  --groups N      groups: so many groups at most (default: 10000)
  --members N     groups: so many members (default: 2000)
  --memberships N groups: so many groups each of them is in (default: 50)
  --times N       start: so many first starts, each in a new folder (default: 1)
  --folder NAME   start: the name of the folders (default: one with spaces and letters beyond ASCII)
  --user NAME     start: as this user of the machine, when you are root
  --processes few|each   whether Musubi's programs share two processes, or have one each (default: few)
  --version       which release this is
  --help          this text
`;

const RECORD_HISTORIES = `usage: npm run record-histories

Runs every branch of every saga on a Temporal server of its own (or that at MUSUBI_TEMPORAL_ADDRESS), and keeps the histories
that the replay tests replay in workflows/histories. Commit the new ones only.

options:
  --version       which release this is
  --help          this text
`;

/** What `npm run bench` measures. */
export const BENCHES = /** @type {const} */ ([
  'command',
  'reads',
  'relay',
  'faults',
  'refusals',
  'idle',
  'queues',
  'callers',
  'services',
  'start',
  'checks',
  'access',
  'positions',
  'groups',
]);

/** By script: its help, and the options that `parseArgs` takes. */
const SCRIPTS = {
  'local/start.ts': {
    help: START,
    options: {
      port: { type: 'string' },
      data: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      processes: { type: 'string' },
    },
  },
  'test/run.ts': {
    help: TEST,
    allowPositionals: true,
    options: {
      match: { type: 'string', short: 'm' },
      whole: { type: 'boolean', default: false },
      processes: { type: 'string' },
    },
  },
  'bench/run.ts': {
    help: BENCH,
    allowPositionals: true,
    options: {
      clients: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      rounds: { type: 'string' },
      groups: { type: 'string' },
      members: { type: 'string' },
      memberships: { type: 'string' },
      times: { type: 'string' },
      folder: { type: 'string' },
      user: { type: 'string' },
      processes: { type: 'string' },
    },
  },
  'test/record-histories.ts': { help: RECORD_HISTORIES, options: {} },
};

/**
 * Reads the arguments of a script. `--help` and `--version` are answered, and end the process; so does, with code 2, what is
 * no option of it.
 *
 * @param {string} script its path in the checkout
 * @param {string[]} args
 * @returns {{values: Record<string, any>, positionals: string[]}}
 */
export function readOptions(script, args) {
  const { help, options, ...config } = SCRIPTS[script];
  const always = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } };
  const swallowed = Object.keys(options).find((name) => process.env[`npm_config_${name}`]);
  if (swallowed) refuse(`npm has taken --${swallowed} for itself: options of ours come after a --`, help);
  try {
    const { values, positionals } = parseArgs({ args, options: { ...options, ...always }, ...config });
    if (values.help) answer(help);
    if (values.version) answer(`musubi ${version()}\n`);
    const { processes, clients, seconds, seed } = values;
    for (const [name, text] of Object.entries({ clients, seconds, seed })) wholeNumber(`--${name}`, text, 4_294_967_295, help);
    if (script === 'bench/run.ts' && !BENCHES.some((name) => name === positionals[0]))
      refuse(`npm run bench takes one of ${BENCHES.join(', ')}`, help);
    if (processes !== undefined && processes !== 'few' && processes !== 'each') refuse('--processes takes few or each', help);
    return { values, positionals };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error), help);
  }
}

/**
 * The options of `npm start`.
 *
 * @param {string[]} args
 * @returns {{port?: number, data?: string, fresh: boolean, processes: 'few' | 'each'}}
 */
export function startOptions(args) {
  const { values } = readOptions('local/start.ts', args);
  const port = wholeNumber('--port', values.port, 65_535);
  // npm runs scripts in the checkout; a relative folder is meant from where the person is.
  if (values.data === '') refuse('--data takes a folder', START);
  const data = values.data === undefined ? undefined : resolve(process.env.INIT_CWD ?? '.', values.data);
  return { port, data, fresh: values.fresh, processes: values.processes ?? 'few' };
}

/**
 * Ends the process on what is wrong, before anything is installed. Scripts that are not listed read their own arguments.
 *
 * @param {string} script
 * @param {string[]} args
 */
export function checkOptions(script, args) {
  if (script === 'local/start.ts') startOptions(args);
  else if (script in SCRIPTS) readOptions(script, args);
}

/**
 * @param {string} name
 * @param {string | undefined} text
 * @param {number} maximum
 * @returns {number | undefined}
 */
export function wholeNumber(name, text, maximum, help = START) {
  if (text === undefined) return undefined;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return number <= maximum ? number : refuse(`${name} takes a number from 0 to ${maximum}, not ${text}`, help);
}

/**
 * @param {string} text
 * @returns {never}
 */
function answer(text) {
  process.stdout.write(text);
  process.exit(0);
}

/**
 * @param {string} problem
 * @param {string} help
 * @returns {never}
 */
function refuse(problem, help) {
  process.stderr.write(`${problem}\n\n${help}`);
  process.exit(2);
}

const version = () => JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
