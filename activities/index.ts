import { cancellationSignal } from '@temporalio/activity';
import type { CallOptions } from '#platform/grpc/client.ts';
import {
  type AboutOperations,
  aboutOperations,
  type RequestOf,
  type ResponseOf,
  type StepName,
  stepNames,
} from '#platform/grpc/contract.ts';
import type { Peers } from '#platform/grpc/peers.ts';
import type { UncopiedService } from '../services/catalogue.ts';
import { calledBy } from '../services/may-call.ts';
import { createCall, type Given, type StepCall } from './call.ts';
import type { Term, Terms } from './terms.ts';

/** The contracts of the services that sagas call. */
export const CONTRACTS = calledBy('sagas');
type Contracts = typeof CONTRACTS;

export type { UncopiedService };

/** The services that sagas call. */
export type SagaPeers = Peers<Contracts>;

/** What sagas call besides steps: it waits, or is repeated without harm, so it has no undo. */
const NO_STEPS = {
  job: ['reportProgress', 'finishJob', 'issueJob'],
  query: ['awaitVersions'],
} as const satisfies { [Name in keyof Contracts]?: readonly (keyof Contracts[Name])[] };
type NoSteps = typeof NO_STEPS;
type NoStepOf<Name> = Name extends keyof NoSteps ? NoSteps[Name][number] : never;

type Activity<Method> = (step: StepCall, given: Given<RequestOf<Method>>) => Promise<ResponseOf<Method>>;

/**
 * Every activity, by service; Temporal knows them as `service.activity`. They follow from the contracts: each step, what
 * undoes steps and says what became of them, and what sagas call besides.
 */
export type Activities = {
  [Name in keyof Contracts]: {
    [M in keyof Contracts[Name] as M extends StepName<Contracts[Name]> | AboutOperations | NoStepOf<Name> ? M : never]: Activity<
      Contracts[Name][M]
    >;
  };
} & TermActivities;

/** What sagas do with terms, which no service keeps but Temporal itself. */
type TermActivities = {
  term: { setTerms(step: StepCall, given: { terms: readonly Term[] }): Promise<object> };
};

/** What an activity does, whichever RPC it is. */
type Rpc = (request: object, options: CallOptions) => Promise<unknown>;

/** @param terms who keeps timers */
export function createActivities(peers: SagaPeers, terms: Terms): Activities {
  const call = createCall(peers.job);
  const term = {
    setTerms: (step: StepCall, given: { terms: readonly Term[] }) => call(step, (options) => terms.setTerms(given, options)),
    // To set a term twice is to set it once, so of that there are no records; and one that is left finds nothing to end.
    listOperations: async () => ({ operations: [] }),
    undo: async () => ({}),
  };
  const services = Object.entries(CONTRACTS).map(([service, contract]) => {
    const peer = peers[service as keyof SagaPeers] as unknown as Record<string, Rpc>;
    const steps = [...stepNames(contract), ...aboutOperations(contract)].map((name) => [
      name,
      (step: StepCall, given: object) =>
        call(step, (options) => {
          const { operationId, permit } = step;
          return rpcOf(peer, name)({ ...given, operationId, ...(permit === undefined ? {} : { permit }) }, options);
        }),
    ]);
    // One that only waits ends with the worker; the wait is then made again elsewhere.
    const others = ((NO_STEPS as Record<string, readonly string[]>)[service] ?? []).map((name) => [
      name,
      (step: StepCall, request: object) =>
        call(step, (options) => rpcOf(peer, name)(request, { ...options, signal: cancellationSignal() })),
    ]);
    return [service, Object.fromEntries([...steps, ...others])];
  });
  return { ...Object.fromEntries(services), term } as Activities;
}

function rpcOf(peer: Record<string, Rpc>, name: string): Rpc {
  const rpc = peer[name];
  if (!rpc) throw new Error(`the contract has no ${name}`);
  return rpc;
}

/** Activities under the names that Temporal knows them by: `member.createMember`. */
export function byTemporalName(activities: Record<string, Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(activities).flatMap(([service, group]) =>
      Object.entries(group).map(([name, activity]) => [`${service}.${name}`, activity]),
    ),
  );
}
