import type { ServiceDefinition } from '@grpc/grpc-js';
import type {
  GetOperationResponse,
  ListOperationsRequest,
  ListOperationsResponse,
} from '#proto/musubi/operation/v1/operation.ts';
import { GET_OPERATION, LIST_OPERATIONS, UNDO } from '../grpc/contract.ts';
import type { StepHandlers } from './step.ts';

/** What a store does with the operations of a contract's steps. */
interface Operations {
  run(name: string, request: { operationId: string }): Promise<unknown>;
  undo(operationId: string): Promise<void>;
  get(operationId: string): Promise<GetOperationResponse>;
  list(request: ListOperationsRequest): Promise<ListOperationsResponse>;
}

/** Serves the steps of a contract, their undo, and what became of them. @param names of the steps */
export function handlersOf<Contract extends ServiceDefinition>(
  names: readonly string[],
  { run, undo, get, list }: Operations,
): StepHandlers<Contract> {
  const steps = names.map((name) => [name, (request: { operationId: string }) => run(name, request)]);
  const undoOne = async ({ operationId }: { operationId: string }) => {
    await undo(operationId);
    return {};
  };
  const about = {
    [UNDO]: undoOne,
    [GET_OPERATION]: ({ operationId }: { operationId: string }) => get(operationId),
    [LIST_OPERATIONS]: list,
  };
  return { ...Object.fromEntries(steps), ...about } as StepHandlers<Contract>;
}
