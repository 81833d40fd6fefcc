import { join } from 'node:path';
import { reasonOf } from '#platform/errors.ts';
import { ConfigError } from '#platform/process/config.ts';
import { ROUNDS } from '../programs.ts';
import { ComponentFailed } from './component.ts';
import { LAYOUTS } from './layouts.ts';
import { startOptions } from './options.mjs';
import { musubiFolder } from './places.ts';
import { stopGraceMs } from './programs.ts';
import { type Display, display } from './progress.ts';
import { isFirstStart, secretsPath } from './secrets.ts';
import { AlreadyRunning, type Stack, startStack } from './stack.ts';
import { stopRequest } from './stop-request.ts';

/** Processes stop in rounds, then the servers do: longer than that an ordered stop can't take. */
const stopLimitMs = (): number => ROUNDS.length * stopGraceMs(process.env) + 15_000;

/** The programs' own public addresses, while the launcher and run.json keep to the addresses on this machine. */
const PUBLIC = ['MUSUBI_PUBLIC_URL', 'MUSUBI_WEBSOCKET_URL'] as const;

async function main(): Promise<void> {
  const options = startOptions(process.argv.slice(2));
  const began = performance.now();
  const dataDir = options.data ?? join(musubiFolder, 'data');
  const runFile = join(options.data ?? musubiFolder, 'run.json');
  const force = () => process.exit(1); // the stack's exit handler kills what still runs
  const stopped = stopRequest(force);
  stopped.asked.then(() => setTimeout(force, stopLimitMs()).unref()).catch(force);
  // Made when there is something to show: a start that is refused has nothing.
  let shown: Display | undefined;
  const stopping = stopped.asked.then(async () => {
    await shown?.done();
    process.stdout.write('\nstopping …\n');
  });
  const hasStopped = (): void => void process.stdout.write('Musubi has stopped\n');
  try {
    const firstStart = options.fresh || isFirstStart(dataDir);
    const stack = await startStack({
      dataDir,
      runFile,
      fresh: options.fresh,
      processes: options.processes,
      ports: options.port === 0 ? 'free' : 'preferred',
      gatewayPort: options.port || undefined,
      env: Object.fromEntries(PUBLIC.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
      signal: stopped.signal,
      onProgress: (progress) => {
        shown ??= display(LAYOUTS[options.processes]);
        shown.on(progress);
      },
    });
    await shown?.done();
    process.stdout.write(welcome(stack, { firstStart, dataDir, runFile, seconds: (performance.now() - began) / 1000 }));
    await stopping;
    await stack.stop();
    hasStopped();
  } catch (error) {
    await shown?.done();
    if (stopped.signal.aborted) {
      // It was stopped while it was starting: nobody needs to hear that it did not start.
      await stopping;
      hasStopped();
      process.exitCode = 130; // as of a command that Ctrl-C has ended
      return;
    }
    process.stderr.write(`${shown ? '\n' : ''}${explain(error)}\n`);
    process.exitCode = error instanceof ConfigError ? 2 : 1;
  }
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
    Addresses: `${runFile}: all of these and the servers', gRPC and /healthz and /metrics of each process`,
  };
  return `
Musubi is ready (${firstStart ? 'first start' : 'start'}: ${seconds.toFixed(1)} s)

${Object.entries(rows)
  .map(([name, value]) => `  ${name.padEnd(14)} ${value}\n`)
  .join('')}${ignored(admin)}
Try it:

  TOKEN=$(node -p 'JSON.stringify(JSON.parse(fs.readFileSync(process.argv[1])).admin)' ${quoted(runFile)} |
    curl -s ${gateway}/v1/auth/login -H 'Content-Type: application/json' -d @- |
    node -p 'JSON.parse(fs.readFileSync(0)).accessToken')
  curl -s ${gateway}/v1/members -H "Authorization: Bearer $TOKEN"

Ctrl-C stops everything.
`;
}

/** As one word of a shell's command line. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

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
  if (error instanceof AlreadyRunning || error instanceof ConfigError) return error.message;
  return `Musubi did not start: ${reasonOf(error)}`;
}

await main();
// Connections of clients that were used for probes must not hold the process.
process.exit();
