import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import { alreadyExists, unavailable } from '#platform/errors.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import type { LoginCopy } from '#proto/musubi/auth/v1/auth.ts';
import { CONTRACTS, type SagaPeers } from '../activities/index.ts';
import type { CommandStart } from './client.ts';
import { hostWorkers } from './host.ts';

// Processes that host workers, on the real Temporal of the stack, in a namespace of a test file's own: no other process polls
// its queues.

export const address = process.env.MUSUBI_TEMPORAL_ADDRESS ?? '';
export const namespace = `host-${randomUUID()}`;
const tracing = startTelemetry('test', {});

const tellingNothing = { tellState: async function* () {} } as never;

/** A process that hosts workers, as the roles do, with services that answer everything but `away` and `refusing` with success. */
export function host(
  domains: readonly 'member'[],
  { at = address, more = {}, watching = false }: { at?: string; more?: object; watching?: boolean } = {},
) {
  const [away, refusing] = [new Set<string>(), new Set<string>()];
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const lifecycle = new Lifecycle(log, 20_000);
  const ended: string[] = [];
  /** What Auth has of members. */
  const logins: LoginCopy[] = [];
  const service = (): never =>
    new Proxy(
      {},
      {
        get: (_, method) => async (request: { jobId?: string; state?: string }) => {
          if (away.has(String(method))) throw unavailable('SERVICE_UNAVAILABLE', 'away');
          if (refusing.has(String(method))) throw alreadyExists('LOGIN_TAKEN', 'taken');
          if (method === 'listOperations') return { operations: [] };
          if (method === 'listLogins') return { logins };
          if (method === 'listRoles') return { roles: [] };
          if (method === 'listGroups') return { groups: [] };
          if (method === 'listStandings') return { standings: [] };
          if (method === 'listUnfinishedJobs') return { jobs: [], nextPageToken: '' };
          if (method === 'listErased') return { requested: [] };
          if (method === 'finishJob') ended.push(`${request.jobId} ${request.state}`);
          return {};
        },
      },
    ) as never;
  const tellers = { member: tellingNothing, role: tellingNothing, group: tellingNothing, position: tellingNothing };
  const peers = Object.fromEntries(Object.keys(CONTRACTS).map((name) => [name, service()])) as unknown as SagaPeers;
  const config = { MUSUBI_TEMPORAL_ADDRESS: at, MUSUBI_TEMPORAL_NAMESPACE: namespace, ...more } as unknown as Parameters<
    typeof hostWorkers
  >[0]['config'];
  const commands = hostWorkers({ config, log, lifecycle, tracing }, domains, { peers, tellers, watching });
  lifecycle.markStarted();
  return { commands, lifecycle, lines, ended, logins, away, refusing };
}

export function register(jobId: string): CommandStart<'member.register'> {
  const input = { memberId: 'm', loginId: 'taro', displayName: 'Taro', email: 'taro@example.com', passwordRef: 'ref' };
  return { jobId, command: 'member.register', memberId: 'admin', aggregateId: 'm', input, summary: 'Register member "taro"' };
}

/** Does something with Temporal itself. */
export async function asOperator<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await NativeConnection.connect({ address });
  try {
    return await work(new Client({ connection, namespace }));
  } finally {
    await connection.close();
  }
}

/** Waits until a saga waits for a service that is away, outside of its workflow task: within one nobody closes or asks it. */
export async function untilHeld(jobId: string): Promise<void> {
  const isHeld = async (client: Client): Promise<boolean> =>
    ((await client.workflow.getHandle(jobId).describe()).raw.pendingActivities ?? []).length > 0;
  await asOperator((client) => until(() => isHeld(client)));
}

export const ready = (lifecycle: Lifecycle) => until(async () => Object.keys(await lifecycle.unready()).length === 0);

export const makeNamespace = (): Promise<void> =>
  asOperator(async ({ workflowService }) => {
    const day = { seconds: 86_400 as never };
    await workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: day });
  });
