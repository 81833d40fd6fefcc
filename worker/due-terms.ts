import type { Term as PositionTerm } from '#proto/musubi/position/v1/position.ts';
import type { SagaPeers } from '../activities/index.ts';
import type { Term } from '../activities/terms.ts';
import { invitationTerm } from '../workflows/invitation-term.ts';
import { positionTerms } from '../workflows/position-terms.ts';

// What each service that has terms tells of those whose time is over, or is within so long.

/** Terms in a page. To set one takes a task of a workflow. */
const IN_A_PAGE = 20;

export async function* dueInvitations({ group }: Pick<SagaPeers, 'group'>, withinMs: number): AsyncGenerator<Term[]> {
  for (let afterId = ''; ; ) {
    const { invitations } = await group.listDueInvitations({ withinMs, afterId, limit: IN_A_PAGE });
    const last = invitations.at(-1);
    if (!last) return;
    yield invitations.map(({ groupId, memberId, until }) => invitationTerm({ groupId, memberId }, until?.toISOString() ?? null));
    afterId = `${last.groupId}.${last.memberId}`;
  }
}

export async function* duePositionTerms({ position }: Pick<SagaPeers, 'position'>, withinMs: number): AsyncGenerator<Term[]> {
  for (let after: PositionTerm | undefined; ; ) {
    const { terms } = await position.listDueTerms({ withinMs, after, pageSize: IN_A_PAGE });
    if (terms.length === 0) return;
    yield positionTerms(terms).terms;
    after = terms.at(-1);
  }
}
