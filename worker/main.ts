import type { z } from 'zod';
import { followServices } from '#platform/grpc/peers.ts';
import type { App } from '#platform/process/program.ts';
import { CONTRACTS } from '../activities/index.ts';
import type { shape } from './config.ts';
import { hostWorkers } from './host.ts';

export { shape } from './config.ts';

/** Runs sagas: polls the task queues of the configured domains. */
export async function start(app: App<z.output<z.ZodObject<typeof shape>>>): Promise<void> {
  // Sagas wait for a service that is away, step by step: the others go on.
  followServices(CONTRACTS, app);
  hostWorkers(app, app.config.MUSUBI_WORKER_QUEUES, { watching: true });
}
