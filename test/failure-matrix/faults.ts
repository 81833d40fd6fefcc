import { setTimeout as sleep } from 'node:timers/promises';
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';

/** The ways in which a step can go wrong. */
export const FAULTS = [
  'refused before',
  'applied then timed out',
  'applied then given up',
  'cancelled before',
  'cancelled after',
  'undo fails three times',
] as const;
/** And those of a saga as a whole: all its steps are applied twice; and once more all up to its pivot, which is given up then, with all undos. */
export const REPEATED = ['all applied twice', 'all applied twice, and undone twice'] as const;
export type Fault = (typeof FAULTS)[number] | (typeof REPEATED)[number];

const isRepeated = (fault: Fault): boolean => REPEATED.some((one) => one === fault);

/** What shall happen to one workflow. */
export interface Plan {
  fault: Fault;
  /** The activity it happens to: `member.createMember`. Of what is repeated that which is given up, if any is. */
  step?: string;
  cancel: () => Promise<unknown>;
}

export type Activity = (step: unknown, request: unknown) => Promise<unknown>;

/** What distinguishes a call of an activity in its saga: `member.createMember`, `undo member.createMember`. */
export function callName(activity: string, step: unknown): string {
  if (!activity.endsWith('.undo')) return activity;
  return `undo ${(step as { operationId: string }).operationId.split('/').slice(1).join('/')}`;
}

/** What the workflow's activities were asked, in order. */
export type Calls = Map<string, string[]>;

/** The code that a planned refusal has. */
export const REFUSED = 'REFUSED_BY_TEST';

/** As activities/call.ts makes it: a step that may not fail has even refusals tried again. */
const refusal = (step: unknown): ApplicationFailure =>
  ApplicationFailure.create({
    message: 'refused by the test',
    type: REFUSED,
    nonRetryable: !(step as { mustSucceed?: boolean }).mustSucceed,
    details: [{ code: REFUSED, message: 'refused by the test', fields: [], grpcStatus: 'FAILED_PRECONDITION' }],
  });
const away = (): ApplicationFailure => ApplicationFailure.retryable('away, says the test', 'AWAY_BY_TEST');

/**
 * The real activities, which call the real services, with the planned faults around them.
 * A workflow without a plan runs undisturbed.
 */
export function faulty(activities: Record<string, unknown>, plans: Map<string, Plan>, calls: Calls): Record<string, Activity> {
  const failedUndos = new Map<string, number>();
  const tries = new Map<string, number>();
  return Object.fromEntries(
    Object.entries(activities).map(([name, real]): [string, Activity] => {
      const apply = real as Activity;
      return [
        name,
        async (step, request) => {
          const id = activityInfo().workflowExecution?.workflowId ?? '';
          const plan = plans.get(id);
          calls.set(id, [...(calls.get(id) ?? []), callName(name, step)]);
          if (plan?.fault === 'undo fails three times' && name.endsWith('.undo')) {
            const key = `${id} ${JSON.stringify(request)} ${JSON.stringify(step)}`;
            const failed = failedUndos.get(key) ?? 0;
            failedUndos.set(key, failed + 1);
            if (failed < 3) throw away();
          }
          if (plan && isRepeated(plan.fault)) await apply(step, request);
          if (plan?.step !== name) return await apply(step, request);
          // What is applied first counts only if it was: others may hold what it works on.
          const count = (): number => {
            const tried = (tries.get(id) ?? 0) + 1;
            tries.set(id, tried);
            return tried;
          };
          switch (plan.fault) {
            case 'refused before':
            case 'undo fails three times':
              // A step that may not fail is asked again: a fix came meanwhile.
              if (count() > 2) return await apply(step, request);
              throw refusal(step);
            case 'applied then timed out': {
              const answer = await apply(step, request);
              if (count() <= 2) throw away();
              return answer;
            }
            case 'applied then given up':
            case 'all applied twice, and undone twice': {
              const answer = await apply(step, request);
              if (count() > 2) return answer;
              throw refusal(step);
            }
            case 'cancelled before':
            case 'cancelled after': {
              const answer = plan.fault === 'cancelled after' ? await apply(step, request) : undefined;
              const tried = count();
              if (tried === 1) await plan.cancel();
              // Away for long enough that the cancellation reaches the workflow during this step.
              if (tried <= 5) {
                await sleep(50);
                throw away();
              }
              return answer ?? (await apply(step, request));
            }
            default:
              return await apply(step, request);
          }
        },
      ];
    }),
  );
}
