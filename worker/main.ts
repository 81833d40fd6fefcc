import type { z } from 'zod';
import { connectPeers, followServices } from '#platform/grpc/peers.ts';
import type { App } from '#platform/process/program.ts';
import { CONTRACTS } from '../activities/index.ts';
import type { shape } from './config.ts';
import { hostWorkers } from './host.ts';
import { connectTellers } from './reconcile/states.ts';

export { shape } from './config.ts';

/** Runs sagas: polls the task queues of the configured domains. */
export async function start(app: App<z.output<z.ZodObject<typeof shape>>>): Promise<void> {
  // Sagas wait for a service that is away, step by step: the others go on.
  const connecting = { ...app, caller: app.config.MUSUBI_SAGAS_CALLER_KEY };
  followServices(CONTRACTS, connecting);
  const called = { peers: connectPeers(CONTRACTS, connecting), tellers: connectTellers(connecting) };
  hostWorkers(app, app.config.MUSUBI_WORKER_QUEUES, { ...called, watching: true });
}
