import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { activityInfo } from '@temporalio/activity';
import { NativeConnection } from '@temporalio/worker';
import { byTemporalName, createActivities } from '../../activities/index.ts';
import { connectServices } from '../../bench/baselines.ts';
import { Lifecycle } from '../../platform/lifecycle.ts';
import { createLogger } from '../../platform/log.ts';
import { address } from '../client.ts';
import { runWorker } from './ground.ts';

/**
 * A worker that kills itself (SIGKILL) the first time that a planned step was applied, before it can tell anybody.
 *
 *   node doomed-worker.ts QUEUE FOLDER AGGREGATE=ACTIVITY …
 *
 * FOLDER remembers, over its deaths, which it has died of.
 */
const [taskQueue = '', folder = '', ...plans] = process.argv.slice(2);
const doom = new Map(plans.map((plan) => plan.split('=') as [string, string]));

const activities = byTemporalName(createActivities(connectServices(new Lifecycle(createLogger('doomed', 'warn'), 1_000))));
const doomed = Object.fromEntries(
  Object.entries(activities).map(([name, real]) => [
    name,
    async (step: unknown, request: { memberId?: string }) => {
      const answer = await (real as (step: unknown, request: unknown) => Promise<unknown>)(step, request);
      const id = request?.memberId ?? '';
      if (doom.get(id) === name && isFirst(`${id}-${activityInfo().activityType}`)) process.kill(process.pid, 'SIGKILL');
      return answer;
    },
  ]),
);

function isFirst(death: string): boolean {
  try {
    closeSync(openSync(join(folder, death), 'wx'));
    return true;
  } catch {
    return false;
  }
}

const connection = await NativeConnection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
await runWorker(connection, taskQueue, doomed);
process.send?.('ready');
