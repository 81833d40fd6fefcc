import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  scheduleActivity,
  scheduleLocalActivity,
  setCurrentDetails,
  sleep,
  TemporalFailure,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { StepCall } from '../activities/call.ts';
import type { Activities } from '../activities/index.ts';
import { ALARM_AFTER_MS, BOUNDED, QUICK, SEARCH_ATTRIBUTES, UNBOUNDED } from '../temporal.config.ts';

/** One activity of a service, as sagas name it: `member.createMember`. */
export interface Step<Request, Response> {
  readonly service: keyof Activities;
  readonly name: string;
  /** Never there: carries the types. */
  readonly types?: (request: Request) => Response;
}

type StepsOf<Group> = {
  readonly [Name in keyof Group]: Group[Name] extends (step: StepCall, request: infer Request) => Promise<infer Response>
    ? Step<Request, Response>
    : never;
};

function stepsOf<Service extends keyof Activities>(service: Service): StepsOf<Activities[Service]> {
  return new Proxy({}, { get: (_, name) => ({ service, name: String(name) }) }) as StepsOf<Activities[Service]>;
}

export const member = stepsOf('member');
export const auth = stepsOf('auth');
export const role = stepsOf('role');
export const job = stepsOf('job');
export const query = stepsOf('query');

/** `createMember` → "create member": what operators and clients read. */
export function inWords({ name }: Pick<Step<never, unknown>, 'name'>): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** Tries a step within its bound (about a minute): rejects with a TemporalFailure on a refusal or when the bound is reached. */
export function tryStep<Response>(step: Step<never, Response>, call: StepCall, request: unknown): Promise<Response> {
  return run(step, [call, request], BOUNDED);
}

/**
 * Tries a step until it is through, whatever happens; not cancellable. If that takes longer than
 * ALARM_AFTER_MS, the alarm is raised (search attribute, log, the job's progress) until it is.
 *
 * @param attemptMs how long one attempt may take
 * @param quick whether to try inside the workflow task first; what is known to take long would only hold it
 */
export function mustStep<Response>(
  step: Step<never, Response>,
  call: StepCall,
  request: unknown,
  { attemptMs = UNBOUNDED.startToCloseTimeout as number, quick = true } = {},
): Promise<Response> {
  const limits = { ...UNBOUNDED, startToCloseTimeout: attemptMs };
  return CancellationScope.nonCancellable(() =>
    run(step, [{ ...call, mustSucceed: true }, request], limits, { quick, alarming: true }),
  );
}

async function run<Response>(
  step: Step<never, Response>,
  args: [StepCall, unknown],
  whenAway: ActivityOptions,
  { quick = true, alarming = false } = {},
): Promise<Response> {
  const type = `${step.service}.${step.name}`;
  if (quick) {
    try {
      return await scheduleLocalActivity<Response>(type, args, QUICK);
    } catch (error) {
      if (!isAway(error)) throw error;
    }
  }
  const words = args[0].progress?.step ?? inWords(step);
  const callOff = alarming ? raiseLater(type, words) : undefined;
  try {
    return await scheduleActivity<Response>(type, args, { ...whenAway, summary: words });
  } finally {
    callOff?.();
  }
}

/** Whether it may be tried again: neither refused nor cancelled. A local activity rejects with the cause itself. */
function isAway(error: unknown): boolean {
  if (!(error instanceof TemporalFailure)) return false;
  // A worker that stops cancels its local activities: that is no request to cancel the saga.
  if (isCancellation(error)) return !CancellationScope.current().consideredCancelled;
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return !(cause instanceof ApplicationFailure && cause.nonRetryable);
}

/** Raises the alarm after ALARM_AFTER_MS. @returns what calls it off, or takes it back */
function raiseLater(type: string, what: string): () => void {
  const scope = new CancellationScope({ cancellable: true });
  let raised = false;
  const wait = scope.run(async () => {
    await sleep(ALARM_AFTER_MS, { summary: 'alarm' });
    raised = true;
    const words = `Not through after ${ALARM_AFTER_MS / 60_000} minutes: ${what}`;
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.alarm, value: type }]);
    setCurrentDetails(`**${words}.** It is tried on and on; the pending activity shows the last error.`);
    log.error(words, { alarm: type });
  });
  wait.catch(() => undefined); // called off
  return () => {
    scope.cancel();
    if (raised) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.alarm, value: null }]);
  };
}
