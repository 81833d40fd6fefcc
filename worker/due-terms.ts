import type { Term as DueTerm, ListDueTermsRequest, ListDueTermsResponse } from '#proto/musubi/term/v1/term.ts';
import type { SagaPeers } from '../activities/index.ts';
import type { Term } from '../activities/terms.ts';
import { invitationTerm } from '../workflows/invitation-term.ts';
import { positionTerms } from '../workflows/position-terms.ts';

// What each service that has terms tells of those whose time is over, or is within so long.

/** Terms in a page. To set one takes a task of a workflow. */
const IN_A_PAGE = 20;

interface Telling {
  listDueTerms(request: ListDueTermsRequest): Promise<ListDueTermsResponse>;
}

/** @param termsOf the terms, as they are set */
async function* due(service: Telling, withinMs: number, termsOf: (terms: readonly DueTerm[]) => Term[]): AsyncGenerator<Term[]> {
  for (let after: DueTerm | undefined; ; ) {
    const { terms } = await service.listDueTerms({ withinMs, after, pageSize: IN_A_PAGE });
    if (terms.length === 0) return;
    yield termsOf(terms);
    after = terms.at(-1);
  }
}

export const dueInvitations = ({ group }: Pick<SagaPeers, 'group'>, withinMs: number): AsyncGenerator<Term[]> =>
  due(group, withinMs, (terms) => terms.map(({ until = null, ...one }) => invitationTerm(one, until)));

export const duePositionTerms = ({ position }: Pick<SagaPeers, 'position'>, withinMs: number): AsyncGenerator<Term[]> =>
  due(position, withinMs, (terms) => positionTerms(terms).terms);
