import type { SagaPeers } from '../activities/index.ts';
import type { Term } from '../activities/terms.ts';
import { invitationTerm } from '../workflows/invitation-term.ts';

const PAGE = 500;

/** The terms of the invitations whose time is over, or is within so long, page by page. */
export async function* dueInvitations({ group }: Pick<SagaPeers, 'group'>, withinMs: number): AsyncGenerator<Term[]> {
  for (let afterId = ''; ; ) {
    const { invitations } = await group.listDueInvitations({ withinMs, afterId, limit: PAGE });
    const last = invitations.at(-1);
    if (!last) return;
    yield invitations.map(({ groupId, memberId, until }) => invitationTerm({ groupId, memberId }, until?.toISOString() ?? null));
    afterId = `${last.groupId}.${last.memberId}`;
  }
}
