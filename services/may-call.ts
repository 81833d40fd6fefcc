import type { ServiceDefinition } from '@grpc/grpc-js';
import type { MayCall } from '#platform/grpc/callers.ts';
import { type AboutOperations, aboutOperations, type StepName, stepNames } from '#platform/grpc/contract.ts';
import { ErasureServiceService } from '#proto/musubi/erasure/v1/erasure.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { CALLERS, type CallerName, type Entry, SERVICES, type ServiceName, type Services } from './catalogue.ts';

// Who may call which methods of a service, as the catalogue and the contracts say it together.

/** What a caller may call of a service, besides steps. */
type NamedFor<Name extends ServiceName, C extends CallerName> = Services[Name] extends {
  calledBy: Record<C, readonly (infer Method)[]>;
}
  ? Method
  : never;

/** What a service serves to callers: its contract, and how it erases members. */
export type ContractOf<Name extends ServiceName> = Services[Name]['contract'] &
  (Services[Name] extends { erases: true } ? ErasureServiceService : unknown);

/** The methods of a service that a caller may call. */
type MethodOf<Name extends ServiceName, C extends CallerName> = keyof ContractOf<Name> &
  (
    | NamedFor<Name, C>
    | (C extends 'sagas' ? StepName<Services[Name]['contract']> | AboutOperations | keyof ErasureServiceService : never)
  );

/** What a caller may call, by service. */
type CalledBy<C extends CallerName> = {
  [Name in ServiceName as MethodOf<Name, C> extends never ? never : Name]: Pick<ContractOf<Name>, MethodOf<Name, C>>;
};

/** The names of the methods of a service that a caller may call. */
function methodsFor({ contract, calledBy = {}, erases }: Entry, caller: CallerName): string[] {
  const erasing = erases ? Object.keys(ErasureServiceService) : [];
  const steps = caller === 'sagas' ? [...stepNames(contract), ...aboutOperations(contract), ...erasing] : [];
  return [...steps, ...(calledBy[caller] ?? [])];
}

/** What a service serves to callers. */
export const servedBy = ({ contract, erases }: Entry): ServiceDefinition =>
  erases ? { ...contract, ...ErasureServiceService } : contract;

/** What a caller may call, by service: contracts without the methods that it may not. */
export function calledBy<C extends CallerName>(caller: C): CalledBy<C> {
  const called = Object.entries(SERVICES).flatMap(([name, entry]: [string, Entry]) => {
    const methods = methodsFor(entry, caller).map((method) => [method, servedBy(entry)[method]] as const);
    return methods.length > 0 ? [[name, Object.fromEntries(methods)] as const] : [];
  });
  return Object.fromEntries(called) as CalledBy<C>;
}

/** Who may call a method, by its path: the one table, by which services let callers in. */
export const MAY_CALL: MayCall = tabulate();

function tabulate(): MayCall {
  const table = new Map<string, Set<CallerName>>();
  const allow = (path: string | undefined, caller: CallerName): void => {
    if (path !== undefined) table.set(path, (table.get(path) ?? new Set()).add(caller));
  };
  for (const caller of CALLERS) {
    for (const entry of Object.values(SERVICES) as Entry[])
      for (const method of methodsFor(entry, caller)) allow(servedBy(entry)[method]?.path, caller);
  }
  // What services with states serve besides.
  for (const { path } of Object.values(StateServiceService)) allow(path, 'operator');
  // What is compared with Auth.
  allow(StateServiceService.tellState.path, 'sagas');
  return table;
}
