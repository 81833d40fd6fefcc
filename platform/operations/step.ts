import type { ServiceDefinition } from '@grpc/grpc-js';
import type { AboutOperations, RequestOf, ResponseOf, StepName } from '../grpc/contract.ts';
import type { OutboxEvent } from '../outbox/event.ts';

/** What a step did. */
export interface Done<Response, Kept> {
  /** What the caller gets, now and on every repeat; JSON. Kept for a year (`OPERATIONS_KEPT_SECONDS`): no personal data. */
  result: Response;
  /** What the undo needs to know; JSON. Kept for 30 days (`UNDO_KEPT_SECONDS`): unlike the result, it may hold personal data. */
  kept?: Kept;
  /** The member whose personal data is in `kept`: it goes when that one is erased. Absent: there is none in it. */
  keptOf?: string;
  events?: OutboxEvent[];
}

/** What an undo did. */
export interface Undone {
  events?: OutboxEvent[];
}

/**
 * One step of a saga and how it is taken back. Both run in one transaction with the operation's record and the events,
 * and may run again from the start after a conflict: they change nothing outside of it.
 *
 * @template Tx what the transaction is worked with
 * @template Kept what the step tells its undo
 */
export interface Step<Tx, Request, Response, Kept> {
  /** Throws what it is refused by; then nothing was written. */
  do(tx: Tx, request: Request): Promise<Done<Response, Kept>>;
  /**
   * Takes back what `do` did. Must not fail because something is gone already.
   * `impossible`: sagas do this step after their pivot, where nothing is undone any more.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: an undo without events has nothing to return
  undo: ((tx: Tx, kept: Kept) => Promise<Undone | void>) | 'impossible';
}

/** Any step: each knows its own request and what it kept. */
// biome-ignore lint/suspicious/noExplicitAny: a table of steps has one of every kind
export type AnyStep<Tx> = Step<Tx, any, any, any>;

/** Every step of a contract, each with its undo: one that is left out is an error of types. */
export type Steps<Contract, Tx> = {
  // biome-ignore lint/suspicious/noExplicitAny: each step knows what it kept
  [M in StepName<Contract>]: Step<Tx, RequestOf<Contract[M & keyof Contract]>, ResponseOf<Contract[M & keyof Contract]>, any>;
};

/** The handlers of a contract's steps, and of the RPCs that undo them and say what became of them. */
export type StepHandlers<Contract extends ServiceDefinition> = {
  [M in (StepName<Contract> | AboutOperations) & keyof Contract]: (
    request: RequestOf<Contract[M]>,
  ) => Promise<ResponseOf<Contract[M]>>;
};
