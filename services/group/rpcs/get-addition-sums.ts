import type { Database } from '#platform/postgres/database.ts';
import { requireId } from '#platform/validation/id.ts';
import type { GetAdditionSumsRequest, GetAdditionSumsResponse } from '#proto/musubi/group/v1/group.ts';
import { sumUpAdditions } from '../memberships/additions.ts';

/** How many lines of a job ended how: of one whose history was lost only the lines tell. */
export const getAdditionSums = (db: Database, { jobId }: GetAdditionSumsRequest): Promise<GetAdditionSumsResponse> =>
  sumUpAdditions(db, requireId('jobId', jobId));
