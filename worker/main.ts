import type { z } from 'zod';
import { followPeers } from '#platform/grpc/readiness.ts';
import type { App } from '#platform/process.ts';
import type { shape } from './config.ts';
import { hostWorkers } from './host.ts';

export { shape } from './config.ts';

/** Runs sagas: polls the task queues of the configured domains. */
export async function start(app: App<z.output<z.ZodObject<typeof shape>>>): Promise<void> {
  const { config, lifecycle } = app;
  // Sagas wait for a service that is away, step by step: the others go on.
  const called = {
    member: config.MUSUBI_MEMBER_ADDRESS,
    role: config.MUSUBI_ROLE_ADDRESS,
    auth: config.MUSUBI_AUTH_ADDRESS,
    job: config.MUSUBI_JOB_ADDRESS,
    query: config.MUSUBI_QUERY_ADDRESS,
  };
  followPeers(called, lifecycle, 'other');
  hostWorkers(app, config.MUSUBI_WORKER_QUEUES);
}
