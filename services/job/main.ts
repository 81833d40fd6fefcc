import type { z } from 'zod';
import type { App } from '#platform/process/program.ts';
import { openRedis } from '#platform/redis/client.ts';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { serve } from '../serve.ts';
import { shape } from './config.ts';
import { listenForFinished } from './finished.ts';
import { jobHandlers } from './grpc.ts';
import { jobStore } from './store.ts';

export { shape };

export async function start(app: App<z.output<z.ZodObject<typeof shape>>>): Promise<void> {
  const { config, log, lifecycle } = app;
  const url = config.MUSUBI_REDIS_URL;
  const places = {
    perMember: config.MUSUBI_JOB_IN_FLIGHT_PER_MEMBER,
    perAggregate: config.MUSUBI_JOB_IN_FLIGHT_PER_AGGREGATE,
  };
  const limits = { places, rate: config.MUSUBI_JOB_RATE_PER_MEMBER };
  const store = jobStore(await openRedis({ url, log, lifecycle }), limits);
  const finished = await listenForFinished({ url, log, lifecycle });
  const retention = {
    activeMs: config.MUSUBI_JOB_ACTIVE_SECONDS * 1_000,
    finishedMs: config.MUSUBI_JOB_FINISHED_SECONDS * 1_000,
  };
  await serve(app, JobServiceService, jobHandlers({ store, finished, retention, log }));
}
