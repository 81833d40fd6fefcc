import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { keyVariable } from '#platform/grpc/callers.ts';
import { CALLERS } from '../services/catalogue.ts';
import { PROGRAMS } from './programs.ts';
import type { Stack } from './stack.ts';

/** What `run.json` tells clients, tests and benchmarks of a running stack. README.md names its fields (a test holds it to that). */
function contentOf(stack: Stack): Record<string, unknown> {
  const { addresses } = stack;
  return {
    gateway: addresses.MUSUBI_PUBLIC_URL,
    websocket: addresses.MUSUBI_WEBSOCKET_URL,
    temporal: addresses.MUSUBI_TEMPORAL_ADDRESS,
    temporalUi: addresses.MUSUBI_TEMPORAL_UI,
    kafka: addresses.MUSUBI_KAFKA_BROKERS?.split(','),
    postgres: addresses.MUSUBI_POSTGRES_URL,
    mongodb: addresses.MUSUBI_MONGODB_URL,
    redis: addresses.MUSUBI_REDIS_URL,
    s3: addresses.MUSUBI_S3_ENDPOINT,
    opensearch: addresses.MUSUBI_OPENSEARCH_URL,
    admin: stack.admin,
    /** The private keys of the services' callers: `node main.ts callers --token` makes of one what a call is made with. */
    callerKeys: Object.fromEntries(CALLERS.map((name) => [name, addresses[keyVariable(name)]])),
    grpc: each(stack, 'grpc', (port) => `127.0.0.1:${port}`),
    /** The program's process serves /livez, /readyz, /healthz and /metrics there. */
    ops: each(stack, 'ops', (port) => `http://127.0.0.1:${port}`),
    /** Of servers, and of the process that each program is in. */
    pids: stack.programPids(),
  };
}

/** By program, where it listens for a use. */
function each({ ports }: Stack, use: string, address: (port: number) => string): Record<string, string> {
  const programs = PROGRAMS.flatMap(({ name }) => {
    const port = ports[name]?.[use];
    return port === undefined ? [] : [[name, address(port)]];
  });
  return Object.fromEntries(programs);
}

/** Renamed into place: who reads it while it is rewritten sees the old one or the new one. */
export function writeRunFile(path: string, stack: Stack): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(contentOf(stack), null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export const removeRunFile = (path: string) => rmSync(path, { force: true });
