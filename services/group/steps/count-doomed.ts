import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CountDoomedRequest, CountDoomedResponse } from '#proto/musubi/group/v1/group.ts';
import { countDoomed as count } from '../tree/tree.ts';

/** How much there is of what the job deletes, so that its saga knows how often it is to remove some. */
export const countDoomed: Step<CountDoomedRequest, CountDoomedResponse> = {
  do: async (tx, { operationId }) => ({ result: await count(tx, jobOf(operationId)) }),
  undo: 'impossible',
};
