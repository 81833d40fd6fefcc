import { proxyActivities, scheduleLocalActivity } from '@temporalio/workflow';
import type { StepCall } from '../activities/call.ts';
import type { UpdateMemberInput } from '../workflows/update-member.ts';

// The two baselines of `npm run bench command`.

type Step = (call: StepCall, request: object) => Promise<{ written?: unknown }>;

/**
 * What one would write first: the steps of member.update one after the other as regular activities,
 * each a round trip to the server and back; no eager start.
 */
export async function naiveUpdate(jobId: string, { memberId, changes }: UpdateMemberInput): Promise<void> {
  const steps = proxyActivities<Record<string, Step>>({ startToCloseTimeout: '10s' });
  const step = (activity: string, name: string, request: object): Promise<{ written?: unknown }> => {
    const run = steps[activity];
    if (!run) throw new Error(activity);
    return run({ operationId: `${jobId}/${name}` }, request);
  };
  await step('member.beginUpdate', 'begin update', { memberId, changes });
  await step('auth.rebindLogin', 'rebind login', { memberId, loginId: changes.loginId });
  const { written } = await step('member.commitUpdate', 'commit update', { memberId });
  await step('query.awaitVersions', 'await versions', { versions: [written], waitMs: 5_000 });
  await step('job.finishJob', 'finish job', { jobId, state: 'JOB_STATE_COMPLETED', resultJson: '{}', error: undefined });
}

/** The floor: as many steps that do nothing, in one workflow task that the starter's own process runs. */
export async function floor(steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) await scheduleLocalActivity('noop', [], { startToCloseTimeout: '5s' });
}
