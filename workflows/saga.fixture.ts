import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { activityInfo, cancellationSignal } from '@temporalio/activity';
import type { Client, WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import { type NativeConnection, Worker } from '@temporalio/worker';
import {
  aborted,
  alreadyExists,
  deadlineExceeded,
  failedPrecondition,
  internal,
  type MusubiError,
  permissionDenied,
  unavailable,
} from '#platform/errors.ts';
import type { Operation } from '#proto/musubi/operation/v1/operation.ts';
import { byTemporalName, CONTRACTS, createActivities, type SagaPeers } from '../activities/index.ts';
import { jobOf, SEARCH_ATTRIBUTES, WORKER_TUNING } from '../temporal.config.ts';
import { workflowBundle } from '../worker/bundle.ts';
import type { Carried } from './carried.ts';
import type { WorkflowName } from './history.fixture.ts';
import { aggregateOf, INPUTS } from './inputs.fixture.ts';
import { stopped } from './worker-end.fixture.ts';

/** What a service answers to one attempt: a response, or an error to fail with. */
export type Answer = object | MusubiError;
/**
 * Answers by attempt; after the last one, the last again. A function is asked each time.
 * No answer: the usual one of a service that does its work.
 */
export type Script = Record<string, readonly Answer[] | Scripted>;
export type Scripted = (
  attempt: number,
  request: Record<string, unknown>,
  workflow: WorkflowHandle,
) => Answer | undefined | Promise<Answer | undefined>;

export const away = unavailable('SERVICE_UNAVAILABLE', '14 UNAVAILABLE: connect ECONNREFUSED');
export const busy = aborted('MEMBER_BUSY', 'another command is changing this member');
export const taken = alreadyExists('LOGIN_TAKEN', 'the login is taken', {
  fields: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }],
});
export const revoked = permissionDenied('PERMISSION_REVOKED', 'what allowed this was taken away before it was done');
export const defect = internal('INTERNAL', 'the service failed');
export const notVisible = deadlineExceeded('NOT_VISIBLE_YET', 'the read model is behind');
export const mistaken = failedPrecondition('LOCK_NOT_HELD', 'the member is not locked by this job for this step');
export const undone = failedPrecondition('OPERATION_UNDONE', 'this operation was undone');

/** An operation's ID within its job: `member.part/m1/role.assignRoles`. */
export const within = (operationId: unknown): string => String(operationId).split('/').slice(1).join('/');

/** Answers one operation, named by its ID within the job, and all others as usual. Its attempts are counted apart. */
export function at(operation: string, answer: (...args: Parameters<Scripted>) => ReturnType<Scripted>): Scripted {
  let attempt = 0;
  return (_, request, workflow) => (within(request.operationId) === operation ? answer(++attempt, request, workflow) : undefined);
}

/**
 * Away until its step is cancelled, for which it asks at its fifth attempt: that is the first one outside of the workflow
 * task. Each attempt lasts until the request has come to the step, so the tries can not run out before.
 */
export const cancelling: Scripted = async (attempt, _, workflow) => {
  if (attempt === 5) await workflow.cancel();
  const own = workflow.client.getHandle(activityInfo().workflowExecution?.workflowId ?? '');
  const isAsked = async (): Promise<boolean> => {
    const { status, raw } = await own.describe();
    return status.name !== 'RUNNING' || (raw.pendingActivities ?? []).some(({ state }) => state === CANCEL_REQUESTED);
  };
  // An attempt whose workflow task ran out is one that the workflow has forgotten: it would hold the worker for good.
  const signal = cancellationSignal();
  while (attempt >= 5 && !signal.aborted && !(await isAsked())) await delay(10);
  return away;
};
const CANCEL_REQUESTED = proto.temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED;

/** One call that a service was sent. */
export interface Received {
  /** 'auth.bindLogin' */
  name: string;
  request: Record<string, unknown>;
  /** Whether it was tried inside the workflow task, by a local activity. */
  local: boolean;
  /** The call's deadline, ms: the attempt's time less a margin. */
  timeoutMs: number;
  /** When it came, ms. */
  at: number;
}

/** What every saga of a bench was allowed by. */
export const PERMIT = 'a permit';

/** The services as a script plays them, behind the real activities. */
export class ScriptedServices {
  readonly received: Received[] = [];
  /** The saga that calls; set by who starts it. */
  workflow!: WorkflowHandle;
  readonly #script: Script;
  readonly #attempts = new Map<string, number>();
  /** What the services keep of operations, by their IDs. */
  readonly #records = new Map<string, Operation & { service: string }>();

  constructor(script: Script) {
    this.#script = script;
  }

  /** The names of what was received, without what is said to Job and asked of Query: the saga's own steps and undos. */
  get steps(): string[] {
    return this.received
      .filter(({ name }) => !/^(job|query)\.|Operations?$/.test(name))
      .map(({ name, request }) => (name.endsWith('.undo') ? `undo ${stepOf(request)}` : (name.split('.')[1] ?? name)));
  }

  /** The operations that are done and not undone, by their IDs within the job, in order. */
  get effects(): string[] {
    return [...this.#records.values()]
      .filter(({ state }) => state === 'OPERATION_STATE_DONE')
      .map(({ operationId }) => operationId.slice(operationId.indexOf('/') + 1))
      .sort();
  }

  /** The operations that were undone, by their IDs within the job, in order; each as often as that was tried. */
  get undone(): string[] {
    return this.received.filter(({ name }) => name.endsWith('.undo')).map(({ request }) => within(request.operationId));
  }

  /** The states that the job was put into, in order. */
  get states(): string[] {
    return this.received
      .filter(({ name }) => /^job\./.test(name))
      .map(({ request }) => String(request.state).replace('JOB_STATE_', ''));
  }

  /** What the job was ended with. */
  get end(): Record<string, unknown> | undefined {
    return this.received.findLast(({ name }) => name === 'job.finishJob')?.request;
  }

  async answer(name: string, request: Record<string, unknown>, { timeoutMs }: { timeoutMs: number }): Promise<object> {
    this.received.push({ name, request, timeoutMs, local: activityInfo().isLocal, at: performance.now() });
    const attempt = (this.#attempts.get(name) ?? 0) + 1;
    this.#attempts.set(name, attempt);
    const script = this.#script[name] ?? [];
    const answer =
      typeof script === 'function' ? await script(attempt, request, this.workflow) : script[Math.min(attempt, script.length) - 1];
    if (answer instanceof Error) throw answer;
    const given = answer === undefined ? this.#usual(name, request) : answer;
    this.#record(name, request, given);
    return given;
  }

  /** What a service that does its work answers. */
  #usual(name: string, request: Record<string, unknown>): object {
    if (!name.endsWith('.listOperations')) return usual(name, request);
    const of = name.split('.')[0];
    const within = [...this.#records.values()].filter(
      ({ service, operationId }) => service === of && operationId.startsWith(`${request.within}/`),
    );
    const after = within.filter(({ operationId }) => operationId > String(request.after));
    return { operations: after.sort((a, b) => (a.operationId < b.operationId ? -1 : 1)).slice(0, Number(request.pageSize)) };
  }

  #record(
    name: string,
    { operationId }: Record<string, unknown>,
    answer: { written?: Operation['written'] | Operation['alsoWritten'] },
  ): void {
    if (typeof operationId !== 'string' || /^(job|query)\.|Operations?$/.test(name)) return;
    const state = name.endsWith('.undo') ? 'OPERATION_STATE_UNDONE' : 'OPERATION_STATE_DONE';
    const [written, ...alsoWritten] = [answer?.written ?? []].flat();
    this.#records.set(operationId, { service: name.split('.')[0] ?? '', operationId, state, written, alsoWritten });
  }
}

/** Services by which these operations are done, by their IDs within the job. */
export function knowing(done: readonly string[], script: Script = {}): ScriptedServices {
  // Those of earlier engines, which are named without their service, are Member's.
  const serviceOf = (path: string): string => /.*\b([a-z]+)\./.exec(path)?.[1] ?? 'member';
  const of =
    (service: string): Scripted =>
    (_, { within }) => ({
      operations: done
        .filter((path) => serviceOf(path) === service)
        .map(
          (path): Operation => ({
            operationId: `${within}/${path}`,
            state: 'OPERATION_STATE_DONE',
            written: undefined,
            alsoWritten: [],
          }),
        ),
    });
  const lists = Object.keys(CONTRACTS).map((service) => [`${service}.listOperations`, of(service)]);
  return new ScriptedServices({ ...Object.fromEntries(lists), ...script });
}

/** Which step an operation is of: `jobId/member.createMember` → `createMember`. */
const stepOf = ({ operationId }: Record<string, unknown>): string => String(operationId).split('/')[1]?.split('.').at(-1) ?? '';

/** What steps answer that find something out. */
const FOUND: Readonly<Record<string, object>> = {
  'group.beginUpdateGroup': { findableChanges: true },
  'member.beginUpdate': { loginChanges: true },
  'member.countMembers': { members: 1 },
  'member.listPart': { memberIds: ['m0'] },
  'role.countHolders': { holders: 1 },
  'group.countAdditions': { parts: 1 },
  'group.holdAdditions': { memberIds: ['m0'], hindered: [] },
  'auth.admitMembers': { refused: [] },
  'group.listInside': { memberIds: ['m0'], tooMany: false },
  'position.listEnding': { positionIds: ['p0'] },
  'position.listHolders': { memberIds: ['m1'], tooMany: false },
  'group.countDoomed': { groups: 1, memberships: 1 },
  'job.issueJob': { job: { jobId: 'issued' } },
  'term.setTerms': {},
};

/** What a service that does its work answers: of a step that says what it wrote, a version. */
function usual(name: string, request: Record<string, unknown>): object {
  const found = FOUND[name];
  if (found) return found;
  if (name === 'position.beginChangeBindings') {
    const { groupId, memberId, bind, until } = request;
    const [positionId = 'released'] = [bind].flat();
    const terms = [{ groupId, memberId, positionId, until }];
    return { bindings: [{ memberId, positionIds: bind }], tenure: undefined, terms };
  }
  if (name === 'position.beginEndTerm') return { bindings: { memberId: request.memberId, positionIds: [] } };
  if (name.endsWith('.getOperation')) return { state: 'OPERATION_STATE_UNKNOWN' };
  const [service = '', method = ''] = name.split('.');
  const contract = CONTRACTS[service as keyof typeof CONTRACTS] as ServiceDefinition;
  const empty = contract[method]?.responseDeserialize(Buffer.alloc(0)) as object;
  if (!Object.hasOwn(empty, 'written')) return {};
  const types: Record<string, string> = { commitRole: 'role', commitPolicy: 'policy', commitBindings: 'bindings' };
  const type = types[method] ?? (service === 'role' ? 'member-roles' : service);
  const many = Array.isArray((empty as { written: unknown }).written);
  const version = { type, id: aggregateOf(request), version: service === 'role' || method === 'createMember' ? 1 : 2 };
  return { ...empty, written: many ? [version] : version };
}

/** A worker whose activities call the scripted services of the saga that they belong to. */
export class SagaBench {
  readonly #client: Client;
  readonly #worker: Worker;
  readonly #taskQueue: string;
  readonly #services: Map<string, ScriptedServices>;
  readonly #running: Promise<void>;

  private constructor(client: Client, worker: Worker, taskQueue: string, services: Map<string, ScriptedServices>) {
    this.#client = client;
    this.#worker = worker;
    this.#taskQueue = taskQueue;
    this.#services = services;
    this.#running = worker.run();
  }

  /** @param bundle default: the system's sagas */
  static async open(connection: NativeConnection, client: Client, bundle?: { code: string }): Promise<SagaBench> {
    const taskQueue = 'bench';
    const services = new Map<string, ScriptedServices>();
    const answer = (name: string, request: object, options: { timeoutMs: number }) =>
      services
        .get(jobOf(activityInfo().workflowExecution?.workflowId ?? ''))
        ?.answer(name, request as Record<string, unknown>, options);
    const peer = (service: string): never =>
      new Proxy(
        {},
        {
          get: (_, method) => (request: object, options: { timeoutMs: number }) =>
            answer(`${service}.${String(method)}`, request, options),
        },
      ) as never;
    const peers = Object.fromEntries(Object.keys(CONTRACTS).map((service) => [service, peer(service)])) as unknown as SagaPeers;
    const worker = await Worker.create({
      ...WORKER_TUNING,
      shutdownForceTime: '2 minutes', // tests share the machine
      connection,
      namespace: client.options.namespace,
      identity: client.options.identity,
      taskQueue,
      workflowBundle: bundle ?? { codePath: await workflowBundle(false) },
      activities: byTemporalName(createActivities(peers, peer('term'))),
    });
    return new SagaBench(client, worker, taskQueue, services);
  }

  /** Starts a command against these services. */
  start(command: WorkflowName, services: ScriptedServices): Promise<WorkflowHandle> {
    const input = (INPUTS as Partial<Record<WorkflowName, object>>)[command];
    if (!input) throw new Error(`${command} is started by another saga`);
    return this.startWith(command, input, services);
  }

  /** Starts any saga against these services. */
  async startWith(type: string, input: object, services: ScriptedServices): Promise<WorkflowHandle> {
    const handle = this.#client.workflow.getHandle(randomUUID());
    this.serve(handle, services);
    const { workflowId } = handle;
    const aggregateId = aggregateOf(input);
    const typedSearchAttributes = [{ key: SEARCH_ATTRIBUTES.aggregate, value: aggregateId }];
    const args = [input, { permit: PERMIT } satisfies Partial<Carried>];
    // On a busy machine a task would run out, and what is done within it be done again.
    const workflowTaskTimeout = '1 minute';
    return this.#client.workflow.start(type, {
      workflowId,
      taskQueue: this.#taskQueue,
      args,
      typedSearchAttributes,
      workflowTaskTimeout,
    });
  }

  /** Goes on with a saga that another bench has started. */
  serve(handle: WorkflowHandle, services: ScriptedServices): void {
    services.workflow = handle;
    this.#services.set(handle.workflowId, services);
  }

  close(): Promise<void> {
    return stopped(this.#worker, this.#running);
  }
}
