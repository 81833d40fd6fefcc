import { join } from 'node:path';
import { addressVariable } from '#platform/grpc/peers.ts';
import { loadConfig, processShape } from '#platform/process/config.ts';
import { SERVICES } from '../services/catalogue.ts';
import type { MusubiProcess } from './layouts.ts';
import { cacheRoot, checkout } from './places.ts';

/** One of the programs that a process may be made of, with the ports that it would like. */
export interface LocalProgram {
  name: string;
  ports: { ops: number; grpc?: number; http?: number };
}

const GRPC = 9601;
const OPS = 9701;
const HTTP: Record<string, number> = { gateway: 8080, websocket: 8081 };

/** The services first, so that their preferred ports are 9601, 9602, … */
export const PROGRAMS: readonly LocalProgram[] = [...Object.keys(SERVICES), 'gateway', 'worker', 'relay'].map((name, index) => ({
  name,
  ports: {
    ...(name in SERVICES ? { grpc: GRPC + index } : {}),
    ...(name in HTTP ? { http: HTTP[name] } : {}),
    ops: OPS + index,
  },
}));

type PortsByName = Record<string, Record<string, number>>;

/** Where each program finds the others, in environment variables. */
export function addressVariables(ports: PortsByName): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { name } of PROGRAMS) {
    const grpc = ports[name]?.grpc;
    if (grpc !== undefined) env[addressVariable(name)] = `127.0.0.1:${grpc}`;
  }
  if (ports.gateway) env.MUSUBI_PUBLIC_URL = `http://127.0.0.1:${ports.gateway.http}`;
  if (ports.websocket) env.MUSUBI_WEBSOCKET_URL = `ws://127.0.0.1:${ports.websocket.http}/v1/events`;
  return env;
}

/** Where the programs of one process listen, in environment variables. */
export function listenVariables(programs: readonly string[], ports: PortsByName): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of programs) {
    for (const [use, port] of Object.entries(ports[name] ?? {})) {
      const whose = use === 'ops' ? '' : `${name.toUpperCase()}_`;
      env[`MUSUBI_${whose}${use.toUpperCase()}_LISTEN`] = `127.0.0.1:${port}`;
    }
  }
  return env;
}

/**
 * Whether a process can do all of its work: "Musubi is ready" is said of a whole system. What only people can settle
 * (`attention`) is no reason to wait.
 */
export async function requireHealthy(ports: Record<string, number>): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${ports.ops}/healthz`, { signal: AbortSignal.timeout(2_000) });
  const { unready, degraded } = (await response.json()) as Record<string, object>;
  const missing = { ...unready, ...degraded };
  if (Object.keys(missing).length > 0) throw new Error(JSON.stringify(missing));
}

/** How long a process gets for an ordered stop before it is killed: longer than the limit that it sets itself. */
export function stopGraceMs(env: NodeJS.ProcessEnv): number {
  const { MUSUBI_STOP_TIMEOUT: seconds } = loadConfig({ MUSUBI_STOP_TIMEOUT: processShape.MUSUBI_STOP_TIMEOUT }, env);
  return (seconds + 5) * 1_000;
}

/** The command line of a process. The flags keep it small; each is explained where it stands. */
export function commandLine(programs: readonly string[]): { command: string; args: string[]; env: Record<string, string> } {
  // Workflows make much that dies young: with a small young heap, collecting it takes a tenth of their CPU.
  const busy = programs.includes('gateway') || programs.includes('worker');
  const flags = [
    `--max-semi-space-size=${busy ? 16 : 8}`, // MiB; the default lets the young heap alone grow to 48
    '--v8-pool-size=1', // one helper thread: there are more threads than cores
  ];
  return {
    command: join(checkout, 'node_modules', '.bin', 'node'),
    args: [...flags, join(checkout, 'main.ts'), programs.join(',')],
    env: {
      NODE_COMPILE_CACHE: join(cacheRoot(), 'compiled-scripts'),
      // Fewer of glibc's arenas: each keeps freed memory to itself.
      MALLOC_ARENA_MAX: '2',
    },
  };
}

/** The programs of these processes, with the ports that they need: a process has one for its operators. */
export const programsOf = (processes: readonly MusubiProcess[]) =>
  PROGRAMS.flatMap(({ name, ports: { ops, ...ports } }) => {
    const host = processes.find(({ programs }) => programs.includes(name));
    return host ? [{ name, ports: { ...ports, ...(host.programs[0] === name ? { ops } : {}) } }] : [];
  });
