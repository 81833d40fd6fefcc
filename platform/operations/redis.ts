import type { ServiceDefinition } from '@grpc/grpc-js';
import type { GetOperationResponse, ListOperationsRequest } from '#proto/musubi/operation/v1/operation.ts';
import type { Erased } from '../erasure.ts';
import type { PartitionedRedis } from '../redis/partitioned.ts';
import type { Partition } from '../redis/partitions.ts';
import { RedisTransaction, transaction } from '../redis/transaction.ts';
import {
  asJson,
  becomeOf,
  checkOperationId,
  countRepeat,
  listOperations,
  noUndoError,
  type RecordState,
  undoExpiredError,
  undoneError,
} from './operation.ts';
import { OPERATIONS_KEPT_SECONDS, UNDO_KEPT_SECONDS } from './retention.ts';
import { handlersOf } from './serving.ts';
import type { AnyStep, Step as AnyStoresStep, StepHandlers, Steps } from './step.ts';

/** A step of a service that keeps its state in partitions of Redis. */
export type Step<Request, Response, Kept = null> = AnyStoresStep<RedisTransaction, Request, Response, Kept>;

/** What is kept of an operation, beside what it wrote. */
interface Kept {
  step: string;
  state: RecordState;
  result?: unknown;
  undo?: unknown;
  undoOf?: string;
}

/*
 * In the partition of what it changes: `operation:{operation ID}` the record, a hash; `operations` the IDs of all, in the order of their bytes;
 * `operations:at` the same by time, and `operations:undo` those of which is kept what an undo needs; `operations:of:{member ID}` those that
 * keep something personal of a member.
 */
const recordKey = (operationId: string): string => `operation:${operationId}`;
const ofKey = (memberId: string): string => `operations:of:${memberId}`;

/**
 * Serves the steps of a contract, their undo, and what became of them.
 *
 * @param partitionOf the ID of what a step changes: all of it is in the partition of that
 */
export function serveSteps<Contract extends ServiceDefinition>(
  redis: PartitionedRedis,
  steps: Steps<Contract, RedisTransaction>,
  partitionOf: (request: never) => string,
): StepHandlers<Contract> {
  const table = steps as Record<string, AnyStep<RedisTransaction>>;
  return handlersOf<Contract>(Object.keys(table), {
    run: (name, request) =>
      runStep(redis, redis.of(partitionOf(request as never)), name, table[name] as AnyStep<RedisTransaction>, request),
    undo: (operationId) => undoOperation(redis, operationId, table),
    get: (operationId) => getOperation(redis, operationId),
    list: (request) => operationsWithin(redis, request),
  });
}

/**
 * Does one step of a saga exactly once: the operation's record, the state that the step writes and the events are one transaction. A
 * repeat, even a concurrent one, answers what the first time answered, and changes nothing.
 *
 * @param name by which the undo is found
 * @throws INVALID_ARGUMENT without an operation ID; FAILED_PRECONDITION `OPERATION_UNDONE` after its undo;
 *   UNAVAILABLE when the server is away; ABORTED when somebody changes the same; what the step throws: then nothing was written
 */
export async function runStep<Request extends { operationId: string }, Response>(
  redis: PartitionedRedis,
  partition: Partition,
  name: string,
  step: Pick<Step<Request, Response, unknown>, 'do'>,
  request: Request,
): Promise<Response> {
  const { operationId } = request;
  checkOperationId(operationId);
  return await transaction(redis, partition, async (tx) => {
    const before = await recordIn(tx, operationId);
    if (before?.state === 'undone') throw undoneError(name);
    if (before) {
      countRepeat(name, 'repeat');
      return before.result as Response;
    }
    const done = await step.do(tx, request);
    const result = asJson(done.result);
    tx.emit(done.events);
    await put(tx, operationId, { step: name, state: 'done', result, undo: asJson(done.kept), undoOf: done.keptOf });
    return result;
  });
}

/**
 * Undoes an operation in one transaction, by what became of it: done → its step's undo runs; never happened, or its member was erased since →
 * nothing to undo; undone → nothing. In each case a tombstone stays, so that a late arrival of the operation is refused: of one that never
 * happened in every partition, as nobody knows where it would come.
 *
 * @throws FAILED_PRECONDITION, and nothing was done: `UNDO_EXPIRED` when what the undo needs is no longer kept,
 *   `UNDO_IMPOSSIBLE` when the step has none
 */
export async function undoOperation(
  redis: PartitionedRedis,
  operationId: string,
  steps: Record<string, Pick<AnyStep<RedisTransaction>, 'undo'>>,
): Promise<void> {
  checkOperationId(operationId);
  /** @returns whether it was done there */
  const undoIn = (partition: Partition): Promise<boolean> =>
    transaction(redis, partition, async (tx) => {
      const before = await recordIn(tx, operationId);
      if (before?.state === 'undone') return before.step !== '';
      if (before?.state === 'final') throw undoExpiredError(before.step);
      const undo = steps[before?.step ?? '']?.undo ?? 'impossible';
      if (before && undo === 'impossible') throw noUndoError(before.step);
      if (before?.state === 'done' && undo !== 'impossible') tx.emit((await undo(tx, before.undo))?.events);
      await put(tx, operationId, { step: before?.step ?? '', state: 'undone' }, before);
      return before !== undefined;
    });
  const place = await placeOf(redis, operationId);
  if (place && (await undoIn(place))) return;
  // Also where an undo before this one has left some of the tombstones, and could not leave all.
  await Promise.all(redis.partitions.map(undoIn));
  countRepeat('', 'tombstone');
}

/** What became of an operation. One that is still running is not known yet. */
export async function getOperation(redis: PartitionedRedis, operationId: string): Promise<GetOperationResponse> {
  checkOperationId(operationId);
  const partition = await placeOf(redis, operationId);
  return becomeOf(partition && (await transaction(redis, partition, (tx) => recordIn(tx, operationId))));
}

/** What became of all operations of a job, or of a workflow that works for it. One that is still running is not listed yet. */
export const operationsWithin = (redis: PartitionedRedis, request: ListOperationsRequest) =>
  listOperations(request, async ({ above, below }, limit) => {
    const found = await Promise.all(
      redis.partitions.map((partition) =>
        redis.ask((client) => client.zrangebylex(partition.key('operations'), `(${above}`, `(${below}`, 'LIMIT', 0, limit)),
      ),
    );
    // A tombstone of what never happened is in each of them.
    const ids = [...new Set(found.flat())].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).slice(0, limit);
    return await Promise.all(
      ids.map(async (id) => {
        const partition = await placeOf(redis, id);
        const record = partition && (await transaction(redis, partition, (tx) => recordIn(tx, id)));
        return { id, state: record?.state ?? 'undone', result: record?.result };
      }),
    );
  });

/** Forgets what undos would need of members who are gone for good. */
export async function eraseUndos(redis: PartitionedRedis, memberIds: readonly string[]): Promise<Erased[]> {
  const erased = memberIds.map(async (memberId) => {
    const counts = redis.partitions.map((partition) =>
      transaction(redis, partition, async (tx) => {
        const ids = await tx.read<string[]>('SMEMBERS', ofKey(memberId));
        for (const id of ids) forget(tx, id, 'erased');
        if (ids.length > 0) tx.write('DEL', ofKey(memberId));
        return ids.length;
      }),
    );
    const count = (await Promise.all(counts)).reduce((sum, one) => sum + one, 0);
    return { memberId, place: 'operations', count };
  });
  return (await Promise.all(erased)).filter(({ count }) => count > 0);
}

/** So many are looked at in one transaction. */
const PRUNED_AT_ONCE = 200;

/** Forgets what has been kept for long enough, by the store's clock: what undos need, and what was done. */
export async function pruneOperations(redis: PartitionedRedis): Promise<void> {
  for (const partition of redis.partitions) {
    const now = await new RedisTransaction(redis, partition).now();
    await pruneBefore(redis, partition, 'operations:undo', now - UNDO_KEPT_SECONDS * 1_000, async (tx, id) => {
      const record = await recordIn(tx, id);
      if (record?.undoOf) tx.write('SREM', ofKey(record.undoOf), id);
      if (record) forget(tx, id, 'final');
      else tx.write('ZREM', 'operations:undo', id);
    });
    await pruneBefore(redis, partition, 'operations:at', now - OPERATIONS_KEPT_SECONDS * 1_000, async (tx, id) => {
      tx.write('DEL', recordKey(id));
      for (const list of ['operations', 'operations:at']) tx.write('ZREM', list, id);
    });
  }
}

async function pruneBefore(
  redis: PartitionedRedis,
  partition: Partition,
  list: string,
  before: number,
  prune: (tx: RedisTransaction, id: string) => Promise<void>,
): Promise<void> {
  for (;;) {
    const ids = await redis.ask((client) =>
      client.zrangebyscore(partition.key(list), '-inf', before, 'LIMIT', 0, PRUNED_AT_ONCE),
    );
    for (const id of ids) {
      await transaction(redis, partition, async (tx) => {
        // It may have been undone since, and then counts from that.
        const at = await tx.read('ZSCORE', list, id);
        if (at !== null && Number(at) <= before) await prune(tx, id);
      });
    }
    if (ids.length < PRUNED_AT_ONCE) return;
  }
}

/** What an undo would need is no longer kept. */
function forget(tx: RedisTransaction, id: string, state: RecordState): void {
  tx.write('HSET', recordKey(id), 'state', state);
  tx.write('HDEL', recordKey(id), 'undo', 'undoOf');
  tx.write('ZREM', 'operations:undo', id);
}

/** The partition that has the record of what was done; undefined: in none, or in some there is a tombstone of what never happened. */
async function placeOf(redis: PartitionedRedis, operationId: string): Promise<Partition | undefined> {
  const steps = await Promise.all(
    redis.partitions.map((partition) => redis.ask((client) => client.hget(partition.key(recordKey(operationId)), 'step'))),
  );
  return redis.partitions[steps.findIndex((step) => step)] ?? redis.partitions[steps.findIndex((step) => step !== null)];
}

async function recordIn(tx: RedisTransaction, operationId: string): Promise<Kept | undefined> {
  const fields = ['step', 'state', 'result', 'undo', 'undoOf'];
  const found = await tx.read<(string | null)[]>('HMGET', recordKey(operationId), ...fields);
  const [step, state, result, undo, undoOf] = found;
  if (step === null || step === undefined) return undefined;
  const parsed = (text: string | null | undefined): unknown => (text ? JSON.parse(text) : undefined);
  return { step, state: state as RecordState, result: parsed(result), undo: parsed(undo), ...(undoOf ? { undoOf } : {}) };
}

/** The record's time is the store's, as is what it is compared with one day. */
async function put(tx: RedisTransaction, id: string, { step, state, result, undo, undoOf }: Kept, before?: Kept): Promise<void> {
  const at = await tx.now();
  const fields = { step, state, at, result: JSON.stringify(result), undo: JSON.stringify(undo), undoOf };
  if (before) tx.write('DEL', recordKey(id));
  tx.write(
    'HSET',
    recordKey(id),
    ...Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
  );
  tx.write('ZADD', 'operations', 0, id);
  tx.write('ZADD', 'operations:at', at, id);
  if (state === 'done') tx.write('ZADD', 'operations:undo', at, id);
  else tx.write('ZREM', 'operations:undo', id);
  if (undoOf) tx.write('SADD', ofKey(undoOf), id);
  else if (before?.undoOf) tx.write('SREM', ofKey(before.undoOf), id);
}
