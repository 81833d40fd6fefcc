import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { byTemporalName, createActivities, type Peers } from '../activities/index.ts';
import { AuthServiceService } from '../platform/gen/musubi/auth/v1/auth.ts';
import { JobServiceService } from '../platform/gen/musubi/job/v1/job.ts';
import { MemberServiceService } from '../platform/gen/musubi/member/v1/member.ts';
import { QueryServiceService } from '../platform/gen/musubi/query/v1/query.ts';
import { RoleServiceService } from '../platform/gen/musubi/role/v1/role.ts';
import { connectPeer } from '../platform/grpc/client.ts';
import { Lifecycle } from '../platform/lifecycle.ts';
import { createLogger } from '../platform/log.ts';
import { WORKER_TUNING } from '../temporal.config.ts';
import { address } from '../test/client.ts';

/** Runs the two baselines in the benchmark's own process, as their client and their worker. */
export interface Baselines {
  /** A change of a member and its login by regular activities; resolves when the workflow is done. */
  naive(memberId: string, loginId: string): Promise<void>;
  /** A workflow of so many local activities that do nothing, started eagerly. */
  floor(steps: number): Promise<void>;
  stop(): Promise<void>;
}

export function connectServices(lifecycle: Lifecycle): Peers {
  return {
    member: connectPeer(address('MUSUBI_MEMBER_ADDRESS'), MemberServiceService, lifecycle),
    auth: connectPeer(address('MUSUBI_AUTH_ADDRESS'), AuthServiceService, lifecycle),
    role: connectPeer(address('MUSUBI_ROLE_ADDRESS'), RoleServiceService, lifecycle),
    job: connectPeer(address('MUSUBI_JOB_ADDRESS'), JobServiceService, lifecycle),
    query: connectPeer(address('MUSUBI_QUERY_ADDRESS'), QueryServiceService, lifecycle),
  };
}

export async function startBaselines(): Promise<Baselines> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const lifecycle = new Lifecycle(createLogger('bench', 'warn'), 10_000);
  const peers = connectServices(lifecycle);
  const taskQueue = 'bench';
  const connection = await NativeConnection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const client = new Client({ connection });
  const worker = await Worker.create({
    ...WORKER_TUNING,
    connection,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    activities: { ...byTemporalName(createActivities(peers)), noop: async () => undefined },
  });
  const running = worker.run();
  return {
    naive: async (memberId, loginId) => {
      const { job } = await peers.job.issueJob({
        command: 'bench.naive',
        memberId: 'bench',
        aggregateId: memberId,
        idempotencyKey: '',
        fingerprint: '',
      });
      const jobId = job?.jobId ?? '';
      const changes = { displayName: `naive ${loginId}`, loginId };
      await client.workflow.execute('naiveUpdate', { taskQueue, workflowId: jobId, args: [jobId, { memberId, changes }] });
    },
    floor: async (steps) => {
      await client.workflow.execute('floor', { taskQueue, workflowId: randomUUID(), args: [steps], requestEagerStart: true });
    },
    stop: async () => {
      worker.shutdown();
      await running;
      await connection.close();
      await lifecycle.stop('done');
    },
  };
}
