import type { z } from 'zod';
import type { App } from '#platform/process.ts';
import type { shape } from './config.ts';
import { hostWorkers } from './host.ts';

export { shape } from './config.ts';

/** Runs sagas: polls the task queues of the configured domains. */
export async function start(app: App<z.output<z.ZodObject<typeof shape>>>): Promise<void> {
  hostWorkers(app, app.config.MUSUBI_WORKER_QUEUES);
}
