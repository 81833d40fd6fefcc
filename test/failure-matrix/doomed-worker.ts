import { activityInfo, Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { connectPeers } from '#platform/grpc/peers.ts';
import { byTemporalName, CONTRACTS, createActivities } from '../../activities/index.ts';
import { loadConfig } from '../../platform/process/config.ts';
import { Lifecycle } from '../../platform/process/lifecycle.ts';
import { createLogger } from '../../platform/process/log.ts';
import { sagasShape } from '../../worker/config.ts';
import { createTerms } from '../../worker/terms.ts';
import { type Activity, callName, faulty, type Plan } from './faults.ts';
import { runWorker } from './ground.ts';

/** Where a saga shall be when its worker is killed, or asked to stop. */
export interface Doom {
  /** The call, as faults.ts names it: `member.createMember`, `undo createMember`. */
  call: string;
  /** Whether the service has not been asked yet, or has done it and nobody knows. */
  when: 'before' | 'after';
  /** A step that is refused on the way there. */
  refused?: string;
}

/**
 * A worker to be killed (SIGKILL), or asked to stop in order (SIGTERM, as our processes do): each of its sagas comes
 * to a stop where it is doomed to, and says so.
 *
 *   node doomed-worker.ts QUEUE DOOMS    (JSON: job's ID → Doom; sends the job's ID when the saga is there)
 */
const [taskQueue = '', json = '{}'] = process.argv.slice(2);
const dooms = new Map(Object.entries(JSON.parse(json) as Record<string, Doom>));
const refusals = new Map<string, Plan>();
for (const [jobId, { refused }] of dooms)
  if (refused) refusals.set(jobId, { fault: 'refused before', step: refused, cancel: () => Promise.resolve() });

function stopping(activities: Record<string, Activity>): Record<string, Activity> {
  return Object.fromEntries(
    Object.entries(activities).map(([name, apply]): [string, Activity] => [
      name,
      async (step, request) => {
        const jobId = activityInfo().workflowExecution?.workflowId ?? '';
        const doom = dooms.get(jobId);
        if (!doom || doom.call !== callName(name, step)) return await apply(step, request);
        if (doom.when === 'after') await apply(step, request);
        process.send?.(jobId);
        return await Context.current().cancelled; // it ends only with its worker
      },
    ]),
  );
}

const config = loadConfig(sagasShape, process.env);
const peers = connectPeers(CONTRACTS, {
  config,
  caller: config.MUSUBI_SAGAS_CALLER_KEY,
  lifecycle: new Lifecycle(createLogger('doomed', 'warn'), 1_000),
});
const connection = await NativeConnection.connect({ address: config.MUSUBI_TEMPORAL_ADDRESS });
const terms = createTerms(() => new Client({ connection }));
const activities = stopping(faulty(byTemporalName(createActivities(peers, terms)), refusals, new Map()));
const stop = await runWorker(connection, taskQueue, activities, {
  // Told to stop, it waits in vain for steps that never end: as short as that can be.
  shutdownGraceTime: 500,
  shutdownForceTime: 3_000,
});
// As the worker's host does: it goes, though its work may not be done.
process.once(
  'SIGTERM',
  () =>
    void stop()
      .finally(() => process.exit())
      .catch(() => undefined),
);
