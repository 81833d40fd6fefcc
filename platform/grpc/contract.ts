import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** What a method of a contract is asked. */
export type RequestOf<M> = M extends { requestDeserialize: (bytes: Buffer) => infer Request } ? Request : never;
/** What a method of a contract answers. */
export type ResponseOf<M> = M extends { responseSerialize: (value: infer Response) => Buffer } ? Response : never;

/** The RPC by which any step of a service is undone. */
export const UNDO = 'undo';
/** The RPC that says what became of any step of a service. */
export const GET_OPERATION = 'getOperation';
/** The RPC that says what became of all that a job has done in a service. */
export const LIST_OPERATIONS = 'listOperations';

/** What a service with steps answers besides them: about its operations. */
export type AboutOperations = typeof UNDO | typeof GET_OPERATION | typeof LIST_OPERATIONS;
const ABOUT_OPERATIONS: readonly string[] = [UNDO, GET_OPERATION, LIST_OPERATIONS] satisfies AboutOperations[];

/** The methods of a contract that are steps of sagas: those whose request has an `operationId`. */
export type StepName<S> = {
  [M in keyof S]: M extends AboutOperations ? never : RequestOf<S[M]> extends { operationId: string } ? M : never;
}[keyof S] &
  string;

/** Whether a method is a step, or about one. The contract says so itself: an empty request has all of its fields. */
export function hasOperationId(method: MethodDefinition<unknown, unknown>): boolean {
  return Object.hasOwn(method.requestDeserialize(Buffer.alloc(0)) as object, 'operationId');
}

/** The names of a contract's steps. */
export function stepNames<S extends ServiceDefinition>(contract: S): StepName<S>[] {
  return Object.entries(contract)
    .filter(([name, method]) => !ABOUT_OPERATIONS.includes(name) && hasOperationId(method))
    .map(([name]) => name as StepName<S>);
}

/** The names of what a contract answers about its steps; none where it has no steps. */
export const aboutOperations = (contract: ServiceDefinition): string[] => ABOUT_OPERATIONS.filter((name) => name in contract);

/** The full name of a service: `musubi.auth.v1.AuthService`. */
export function fullName(contract: ServiceDefinition): string {
  const [, name = ''] = Object.values(contract)[0]?.path.split('/') ?? [];
  return name;
}

/** The service as the others call it, which its package is named after: `auth` of `musubi.auth.v1.AuthService`. */
export const serviceName = (contract: ServiceDefinition): string => fullName(contract).split('.')[1] ?? '';
