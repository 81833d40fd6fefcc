import { join } from 'node:path';
import { loadConfig, processShape } from '#platform/config.ts';
import { addressVariable } from '#platform/grpc/peers.ts';
import { SERVICES } from '../services/catalogue.ts';
import { cacheRoot, checkout } from './places.ts';

/** One of Musubi's own processes: `node main.ts NAME`. */
export interface Role {
  name: string;
  /** The ports that it listens on, with the ones that it would like. */
  ports: { ops: number; grpc?: number; http?: number };
  /** Which are stopped first: doors, then what works by itself, then what both call. */
  stopsIn: 1 | 2 | 3;
}

const GRPC = 9601;
const OPS = 9701;

/** The services, and after them what has no contract. */
const PORTS: Record<string, { http?: number }> = {
  ...Object.fromEntries(Object.keys(SERVICES).map((name) => [name, {}])),
  websocket: { http: 8081 },
  gateway: { http: 8080 },
  worker: {},
  relay: {},
};
const STOPS_FIRST: readonly string[] = ['websocket', 'gateway'];

export const ROLES: readonly Role[] = Object.entries(PORTS).map(([name, { http }], index) => ({
  name,
  ports: {
    ...(name in SERVICES ? { grpc: GRPC + index } : {}),
    ...(http === undefined ? {} : { http }),
    ops: OPS + index,
  },
  stopsIn: STOPS_FIRST.includes(name) ? 1 : name in SERVICES ? 3 : 2,
}));

type PortsByName = Record<string, Record<string, number>>;

/** Where each process finds the others, in environment variables. */
export function peers(ports: PortsByName): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { name } of ROLES) {
    const grpc = ports[name]?.grpc;
    if (grpc !== undefined) env[addressVariable(name)] = `127.0.0.1:${grpc}`;
  }
  if (ports.gateway) env.MUSUBI_PUBLIC_URL = `http://127.0.0.1:${ports.gateway.http}`;
  if (ports.websocket) env.MUSUBI_WEBSOCKET_URL = `ws://127.0.0.1:${ports.websocket.http}/v1/events`;
  return env;
}

/** Where a process itself listens. */
export function listens(ports: Record<string, number>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [`MUSUBI_${name.toUpperCase()}_LISTEN`, `127.0.0.1:${port}`]),
  );
}

/**
 * Whether a role can do all of its work: "Musubi is ready" is said of a whole system. What only people can settle
 * (`attention`) is no reason to wait.
 */
export async function isReady(ports: Record<string, number>): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${ports.ops}/healthz`, { signal: AbortSignal.timeout(2_000) });
  const { unready, degraded } = (await response.json()) as Record<string, object>;
  const missing = { ...unready, ...degraded };
  if (Object.keys(missing).length > 0) throw new Error(JSON.stringify(missing));
}

/** How long a role gets for an ordered stop before it is killed: longer than the limit that it sets itself. */
export function stopGraceMs(env: NodeJS.ProcessEnv): number {
  const { MUSUBI_STOP_TIMEOUT: seconds } = loadConfig({ MUSUBI_STOP_TIMEOUT: processShape.MUSUBI_STOP_TIMEOUT }, env);
  return (seconds + 5) * 1_000;
}

/** The command line of a role. The flags keep nine small processes small; each is explained where it stands. */
export function command(role: string): { command: string; args: string[]; env: Record<string, string> } {
  // Workflows make much that dies young: with a small young heap, collecting it takes a tenth of their CPU.
  const busy = role === 'gateway' || role === 'worker';
  const flags = [
    `--max-semi-space-size=${busy ? 16 : 8}`, // MiB; the default lets the young heap alone grow to 48
    '--v8-pool-size=1', // one helper thread each: there are more processes than cores
  ];
  return {
    command: join(checkout, 'node_modules', '.bin', 'node'),
    args: [...flags, join(checkout, 'main.ts'), role],
    env: {
      NODE_COMPILE_CACHE: join(cacheRoot(), 'compiled-scripts'),
      // Fewer of glibc's arenas: each keeps freed memory to itself.
      MALLOC_ARENA_MAX: '2',
    },
  };
}
