import { z } from 'zod';
import { callerShape } from '#platform/grpc/callers.ts';
import { peerShape } from '#platform/grpc/peers.ts';
import { list, oneOf, peer } from '#platform/process/config.ts';
import { calledBy } from '../services/may-call.ts';
import { DOMAINS } from '../temporal.config.ts';

/** What every process reads that starts sagas. */
export const temporalShape = {
  /** `host:port` of the Temporal frontend. */
  MUSUBI_TEMPORAL_ADDRESS: peer(),
  MUSUBI_TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  /** The domains whose sagas have a task queue of their own, the same in every process: their workers are deployed apart. */
  MUSUBI_OWN_QUEUES: list()
    .pipe(z.array(oneOf(DOMAINS)))
    .default([]),
  /** The folder of the bundled workflow code (`node worker/bundle.ts` fills it); default: .musubi/cache. */
  MUSUBI_WORKFLOW_BUNDLES: z.string().optional(),
  /** `on` keeps the stack traces that Temporal's UI shows of running workflows: for debugging, for they cost a third more CPU. */
  MUSUBI_WORKFLOW_STACK_TRACES: oneOf(['on', 'off']).default('off'),
};
export type TemporalConfig = z.output<z.ZodObject<typeof temporalShape>>;

/** What every process that works on sagas reads. */
export const sagasShape = { ...temporalShape, ...peerShape(calledBy('sagas')), ...callerShape('sagas') };

/** The settings of the task `repair`. */
export const repairShape = {
  MUSUBI_TEMPORAL_ADDRESS: temporalShape.MUSUBI_TEMPORAL_ADDRESS,
  MUSUBI_TEMPORAL_NAMESPACE: temporalShape.MUSUBI_TEMPORAL_NAMESPACE,
  MUSUBI_OWN_QUEUES: temporalShape.MUSUBI_OWN_QUEUES,
  MUSUBI_JOB_ADDRESS: peer(),
  ...callerShape('operator'),
  /** What to do: `list` the jobs that have not ended and what each of them needs, or `repair` them. */
  MUSUBI_REPAIR_ACTION: z.enum(['list', 'repair']).default('repair'),
  /** A job's ID: this one only. */
  MUSUBI_REPAIR_JOB: z.uuid().optional(),
};

export const shape = {
  ...sagasShape,
  /** The domains whose sagas are worked on; default: all. */
  MUSUBI_WORKER_QUEUES: list()
    .pipe(z.array(oneOf(DOMAINS)))
    .default([...DOMAINS]),
};
