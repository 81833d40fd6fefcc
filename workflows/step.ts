import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  scheduleActivity,
  scheduleLocalActivity,
  TemporalFailure,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { StepCall, StepFailure } from '../activities/call.ts';
import type { Activities, UncopiedService } from '../activities/index.ts';
import { ALARM_AFTER_MS, BOUNDED, QUICK, SEARCH_ATTRIBUTES, UNBOUNDED } from '../temporal.config.ts';
import type { Details } from './details.ts';
import { timer } from './timer.ts';

/** One activity of a service, as sagas name it: `member.createMember`. */
export interface Step<Request, Response> {
  readonly service: string;
  readonly name: string;
  /** Never there: carries the types. */
  readonly types?: (request: Request) => Response;
}

/** A step with any request and any answer. */
export type AnyStep = Step<never, unknown>;
export type StepRequest<S> = S extends Step<infer Request, unknown> ? Request : never;
export type StepResponse<S> = S extends Step<never, infer Response> ? Response : never;

/**
 * Stands in for a step that no saga can do: it answers with what it wrote, which the saga would wait for queries to see,
 * and they do not copy all that its service tells (`services/catalogue.ts`), so the job might never end.
 */
export interface NeverSeen {
  queriesDoNotCopyAllOf: string;
}

/** The steps of a service, by the types of its activities. */
export type StepsOf<Service extends string, Group> = {
  readonly [Name in keyof Group]: Group[Name] extends (step: StepCall, request: infer Request) => Promise<infer Response>
    ? Response extends { written: unknown }
      ? Service extends UncopiedService
        ? NeverSeen
        : Step<Request, Response> & { readonly service: Service; readonly name: Name }
      : Step<Request, Response> & { readonly service: Service; readonly name: Name }
    : never;
};

/** The steps of every service: `services.member.createMember`. They and their types come from the contracts. */
export const services = new Proxy(
  {},
  {
    get: (_, service) => new Proxy({}, { get: (__, name) => ({ service: String(service), name: String(name) }) }),
  },
) as { readonly [Service in keyof Activities]: StepsOf<Service, Activities[Service]> };

/** A step's name in all of the system: `member.createMember`. */
export const fullName = ({ service, name }: Pick<AnyStep, 'service' | 'name'>): string => `${service}.${name}`;

/** `createMember` → "create member": what operators and clients read. */
export function inWords({ name }: Pick<AnyStep, 'name'>): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** Tries a step within its bound (about a minute): rejects with a TemporalFailure on a refusal or when the bound is reached. */
export function tryStep<Response>(step: Step<never, Response>, call: StepCall, request: unknown): Promise<Response> {
  return run(step, call, request, { whenAway: BOUNDED });
}

/**
 * Tries a step without end until it is through; not cancellable. If that takes longer than
 * ALARM_AFTER_MS, the alarm is raised (search attribute, log, details, the job's progress) until it is.
 *
 * @param attempts how attempts outside of the workflow task are made, if other than UNBOUNDED
 * @param quick whether to try inside the workflow task first; what is known to take long would only hold it
 */
export function mustStep<Response>(
  details: Details,
  step: Step<never, Response>,
  call: StepCall,
  request: unknown,
  { attempts = UNBOUNDED as ActivityOptions, quick = true } = {},
): Promise<Response> {
  return CancellationScope.nonCancellable(() =>
    run(step, { ...call, mustSucceed: true }, request, { whenAway: attempts, quick, alarm: details }),
  );
}

async function run<Response>(
  step: Step<never, Response>,
  call: StepCall,
  request: unknown,
  { whenAway, quick = true, alarm }: { whenAway: ActivityOptions; quick?: boolean; alarm?: Details },
): Promise<Response> {
  const type = fullName(step);
  const summary = call.progress?.step ?? inWords(step);
  let triedBefore: number | undefined;
  if (quick) {
    try {
      return await scheduleLocalActivity<Response>(type, [call, request], { ...QUICK, summary });
    } catch (error) {
      if (!mayGoOn(error)) throw error;
      triedBefore = isConflict(error) ? 1 : QUICK.retry.maximumAttempts;
    }
  }
  const callOff = alarm ? raiseLater(alarm, type, summary) : undefined;
  try {
    return await scheduleActivity<Response>(type, [{ ...call, triedBefore }, request], { ...whenAway, summary });
  } finally {
    callOff?.();
  }
}

/** Whether it may be tried again: neither refused nor cancelled. A local activity rejects with the cause itself. */
function mayGoOn(error: unknown): boolean {
  if (!(error instanceof TemporalFailure)) return false;
  // A worker that stops cancels its local activities: that is no request to cancel the saga.
  if (isCancellation(error)) return !CancellationScope.current().consideredCancelled;
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return !(cause instanceof ApplicationFailure && cause.nonRetryable) || isConflict(error);
}

/** Whether others are at it: who waits for them waits outside of the workflow task, so one attempt inside of it is all. */
function isConflict(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && (cause.details?.[0] as StepFailure | undefined)?.grpcStatus === 'ABORTED';
}

/** Raises the alarm after ALARM_AFTER_MS. @returns what calls it off, or takes it back */
function raiseLater(details: Details, type: string, what: string): () => void {
  const scope = new CancellationScope({ cancellable: true });
  let raised = false;
  const wait = scope.run(async () => {
    await timer('alarm');
    raised = true;
    const words = `Not through after ${ALARM_AFTER_MS / 60_000} minutes: ${what}`;
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.alarm, value: type }]);
    details.say(`**${words}.** It is tried on and on; the pending activity shows the last error.`);
    log.error(words, { alarm: type });
  });
  wait.catch(() => undefined); // called off
  return () => {
    scope.cancel();
    if (raised) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.alarm, value: null }]);
  };
}
