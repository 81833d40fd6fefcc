import { z } from 'zod';
import type { Database } from '#platform/postgres/database.ts';
import { MOST_ADDED } from '#platform/validation/group-fields.ts';
import { requireId } from '#platform/validation/id.ts';
import { fromPageToken, toPageToken } from '#platform/validation/page-token.ts';
import {
  type Addition,
  AdditionOutcome,
  type ListAdditionsRequest,
  type ListAdditionsResponse,
} from '#proto/musubi/group/v1/group.ts';
import { type Addition as Line, readAdditions, type Which } from '../memberships/additions.ts';

const MOST = 100;
/** The last line of the page. */
const PLACE = z.tuple([z.int().min(0).max(MOST_ADDED)]);

const OUTCOMES: Record<NonNullable<Which>, AdditionOutcome> = {
  waiting: AdditionOutcome.ADDITION_OUTCOME_WAITING,
  added: AdditionOutcome.ADDITION_OUTCOME_ADDED,
  already: AdditionOutcome.ADDITION_OUTCOME_ALREADY,
  refused: AdditionOutcome.ADDITION_OUTCOME_REFUSED,
};
const WORDS = new Map(Object.entries(OUTCOMES).map(([word, outcome]) => [outcome, word as Which]));

/**
 * A page of the lines of a job that adds many to a group, in their order; none of another job.
 *
 * @throws PAGE_TOKEN_INVALID
 */
export async function listAdditions(
  db: Database,
  { jobId, outcome, pageSize, pageToken }: ListAdditionsRequest,
): Promise<ListAdditionsResponse> {
  requireId('jobId', jobId);
  const list = ['additions', jobId, outcome];
  const [after] = fromPageToken(list, pageToken, PLACE) ?? [-1];
  const limit = Math.min(Math.max(pageSize, 1), MOST);
  const lines = await readAdditions(db, { jobId, which: WORDS.get(outcome), after, limit: limit + 1 });
  const page = lines.slice(0, limit);
  const last = lines.length > limit ? page.at(-1) : undefined;
  return { additions: page.map(toAddition), nextPageToken: last ? toPageToken(list, [last.line]) : '' };
}

function toAddition({ line, memberId, outcome }: Line): Addition {
  const word =
    outcome === null || outcome === 'held' ? 'waiting' : outcome === 'added' || outcome === 'already' ? outcome : 'refused';
  return { line, memberId, outcome: OUTCOMES[word], code: word === 'refused' ? (outcome ?? '') : '' };
}
