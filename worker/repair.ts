import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { z } from 'zod';
import { connectPeer } from '#platform/grpc/client.ts';
import { type App, TaskError } from '#platform/process/program.ts';
import { calledBy } from '../services/may-call.ts';
import { repairShape } from './config.ts';
import { installRuntime } from './runtime.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { examine, unfinishedJob, unfinishedJobs } from './unfinished-jobs.ts';

export { repairShape as shape };
/** The jobs, on standard output: a line of JSON each. */
export const prints = true;

/**
 * The operator's task: finds the jobs that have not ended though their workflow has, or is gone, and has each of them end.
 * To end in the midst of it, and to run it twice, does no harm.
 */
export async function start({ config, log, lifecycle }: App<z.output<z.ZodObject<typeof repairShape>>>): Promise<'done'> {
  const { MUSUBI_TEMPORAL_ADDRESS: address, MUSUBI_TEMPORAL_NAMESPACE: namespace } = config;
  await installRuntime(log);
  const connection = await NativeConnection.connect({ address });
  lifecycle.onStop('Temporal', 'stores', () => connection.close());
  // A Temporal that has lost its histories has lost them, too.
  await registerSearchAttributes(connection, namespace);
  const client = new Client({ connection, namespace });
  const sources = {
    client,
    own: config.MUSUBI_OWN_QUEUES,
    job: connectPeer(config.MUSUBI_JOB_ADDRESS, calledBy('operator').job, lifecycle, () =>
      config.MUSUBI_OPERATOR_CALLER_KEY.token('job'),
    ),
  };
  const onlyList = config.MUSUBI_REPAIR_ACTION === 'list';
  const failed: string[] = [];
  let pageToken = '';
  do {
    const { MUSUBI_REPAIR_JOB: named } = config;
    const page = named
      ? { jobs: await unfinishedJob(sources, named), nextPageToken: '' }
      : await unfinishedJobs(sources, pageToken);
    for (const job of page.jobs) {
      const { jobId, command, aggregateId, state, updatedAt } = job;
      try {
        const { workflow, repair, apply } = await examine(sources, job);
        if (!onlyList) await apply();
        const line = { jobId, command, aggregateId, state, quietSince: updatedAt, workflow, repair };
        process.stdout.write(`${JSON.stringify(line)}\n`);
        if (!onlyList && repair !== 'nothing') log.info(line, 'job repaired');
      } catch (error) {
        log.error({ err: error, jobId }, 'a job could not be repaired');
        failed.push(jobId);
      }
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  if (failed.length > 0) throw new TaskError(`${failed.length} jobs could not be repaired: run it again`);
  return 'done';
}
