import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ComponentFailed } from './component.ts';
import { isFirstStart } from './data-folder.ts';
import { musubiFolder } from './places.ts';
import { display } from './progress.ts';
import { stopGraceMs } from './roles.ts';
import { secretsPath } from './secrets.ts';
import { AlreadyRunning, type Stack, startStack } from './stack.ts';

const HELP = `usage: npm start -- [options]

Starts the real servers and all of Musubi's processes on this machine, and stops them on Ctrl-C.

options:
  --port N     the gateway's port; 0: free ports for everything (default: the well-known ports where they are free)
  --data DIR   keep the data in DIR, and run.json too (default: .musubi/data in this checkout)
  --fresh      start empty: deletes the data of earlier starts
  --help       this text

environment:
  MUSUBI_ADMIN_LOGIN_ID, MUSUBI_ADMIN_PASSWORD   the first admin (default: admin, and a password made up once);
                                                 kept: what later starts say is ignored
  MUSUBI_PUBLIC_URL, MUSUBI_WEBSOCKET_URL        where clients find the gateway and the socket, when behind a proxy
  MUSUBI_AUTH_MASTER_KEY                         base64 of 32 bytes (default: made up once)
  MUSUBI_CACHE                                   where downloads are kept (default: .musubi/cache)
  MUSUBI_LOG_LEVEL                               of Musubi's processes (default: info)
  An address replaces a server, which is then not started:
  MUSUBI_TEMPORAL_ADDRESS (with MUSUBI_TEMPORAL_NAMESPACE), MUSUBI_POSTGRES_URL, MUSUBI_MONGODB_URL, MUSUBI_REDIS_URL,
  MUSUBI_KAFKA_BROKERS, MUSUBI_OPENSEARCH_URL,
  MUSUBI_S3_ENDPOINT (with MUSUBI_S3_ACCESS_KEY_ID and MUSUBI_S3_SECRET_ACCESS_KEY)
`;

/** The roles stop in three rounds, then the servers do: longer than that an ordered stop can't take. */
const stopLimitMs = (): number => 3 * stopGraceMs(process.env) + 15_000;

/** What the roles are told of themselves, while the launcher and run.json keep to the addresses on this machine. */
const PUBLIC = ['MUSUBI_PUBLIC_URL', 'MUSUBI_WEBSOCKET_URL'] as const;

async function main(): Promise<void> {
  const options = parsed();
  const began = Date.now();
  const dataDir = options.data ?? join(musubiFolder, 'data');
  const runFile = join(options.data ?? musubiFolder, 'run.json');
  const firstStart = options.fresh || isFirstStart(dataDir);
  const stopped = onStopSignal();
  const shown = display();
  try {
    const stack = await startStack({
      dataDir,
      runFile,
      fresh: options.fresh,
      ports: options.port === 0 ? 'free' : 'preferred',
      gatewayPort: options.port || undefined,
      env: Object.fromEntries(PUBLIC.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
      signal: stopped.signal,
      onProgress: (progress) => shown.on(progress),
    });
    await shown.done();
    process.stdout.write(welcome(stack, { firstStart, dataDir, runFile, seconds: (Date.now() - began) / 1000 }));
    await stopped.asked;
    process.stdout.write('\nstopping …\n');
    await stack.stop();
    process.stdout.write('Musubi has stopped\n');
  } catch (error) {
    await shown.done();
    // It was stopped while it was starting: nobody needs to be told that it did not start.
    if (stopped.signal.aborted) return;
    process.stderr.write(`\n${explain(error)}\n`);
    process.exitCode = 1;
  }
}

function parsed(): { port?: number; data?: string; fresh: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string' },
        data: { type: 'string' },
        fresh: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    const port = values.port === undefined ? undefined : Number(values.port);
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65536))
      throw new Error(`--port takes a number from 0 to 65535, not ${values.port}`);
    // npm runs scripts in the checkout; a relative folder is meant from where the person is.
    const data = values.data === undefined ? undefined : resolve(process.env.INIT_CWD ?? '.', values.data);
    return { port, data, fresh: values.fresh };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

/** The first signal stops in order, within a limit; a second one forces. */
function onStopSignal(): { asked: Promise<void>; signal: AbortSignal } {
  const controller = new AbortController();
  const asked = Promise.withResolvers<void>();
  let first = 0;
  const force = () => process.exit(1); // its exit handler kills what still runs
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (first === 0) {
        first = Date.now();
        controller.abort();
        asked.resolve();
        setTimeout(force, stopLimitMs()).unref();
      } else if (Date.now() - first > 1_000) {
        // npm and the terminal may both pass on the same Ctrl-C: only a later one is a second one.
        force();
      }
    });
  }
  return { asked: asked.promise, signal: controller.signal };
}

interface Facts {
  firstStart: boolean;
  dataDir: string;
  runFile: string;
  seconds: number;
}

function welcome({ addresses, admin, logDir }: Stack, { firstStart, dataDir, runFile, seconds }: Facts): string {
  const gateway = addresses.MUSUBI_PUBLIC_URL;
  const password =
    admin.password === process.env.MUSUBI_ADMIN_PASSWORD
      ? 'as MUSUBI_ADMIN_PASSWORD says'
      : firstStart
        ? admin.password
        : `kept in ${secretsPath(dataDir)}`;
  const rows = {
    'REST API': gateway,
    ...(process.env.MUSUBI_PUBLIC_URL && { 'Public URL': process.env.MUSUBI_PUBLIC_URL }),
    'API reference': `${gateway}/docs`,
    WebSocket: addresses.MUSUBI_WEBSOCKET_URL,
    'Temporal UI': addresses.MUSUBI_TEMPORAL_UI ?? '(of your own Temporal)',
    'Admin login': `${admin.loginId}, password ${password}`,
    Logs: logDir,
    Addresses: runFile,
  };
  return `
Musubi is ready (${firstStart ? 'first start' : 'start'}: ${seconds.toFixed(1)} s)

${Object.entries(rows)
  .map(([name, value]) => `  ${name.padEnd(14)} ${value}\n`)
  .join('')}${ignored(admin)}
Try it:

  TOKEN=$(node -p 'JSON.stringify(JSON.parse(fs.readFileSync(process.argv[1])).admin)' '${runFile}' |
    curl -s ${gateway}/v1/auth/login -H 'Content-Type: application/json' -d @- |
    node -p 'JSON.parse(fs.readFileSync(0)).accessToken')
  curl -s ${gateway}/v1/members -H "Authorization: Bearer $TOKEN"

Ctrl-C stops everything.
`;
}

/** A line about what the environment says of the admin in vain, or nothing. */
function ignored({ loginId, password }: Stack['admin']): string {
  const said = { MUSUBI_ADMIN_LOGIN_ID: loginId, MUSUBI_ADMIN_PASSWORD: password };
  const names = Object.entries(said).flatMap(([name, kept]) => (process.env[name] && process.env[name] !== kept ? [name] : []));
  if (names.length === 0) return '';
  return `\n${names.join(', ')}: ignored, the admin exists already with the login and password of the first start\n`;
}

function explain(error: unknown): string {
  if (error instanceof ComponentFailed) {
    const { log } = error;
    return `Musubi did not start: ${error.message}\n\nthe end of ${log}:\n${error.lastLines()}`;
  }
  if (error instanceof AlreadyRunning) return error.message;
  return `Musubi did not start: ${error instanceof Error ? error.message : String(error)}`;
}

await main();
// Connections of clients that were used for probes must not hold the process.
process.exit();
