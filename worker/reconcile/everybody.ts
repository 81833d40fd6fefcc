import { ROOT } from '#platform/validation/group-fields.ts';
import { newId } from '#platform/validation/id.ts';
import type { SagaPeers } from '../../activities/index.ts';
import type { Findings, Pass } from './findings.ts';
import { groups, idsAfter, members, memberships, type Tellers } from './truth.ts';

/** With whom it is held that everybody is in the whole organisation. */
export interface EverybodyPeers {
  group: Pick<SagaPeers['group'], 'enterMembers'>;
  tellers: Tellers;
}

/** Each of them is locked until all have come in. */
const AT_A_TIME = 100;

/**
 * Every member is in the whole organisation, from its registration on. Who is not, as Group was restored to an older copy, or as it was
 * registered by a release that knew no groups while the others were taken in, is taken in as these were.
 */
export function everybody({ group, tellers }: EverybodyPeers, findings: Findings): Pass {
  const idOf = (memberId: string): string => `${ROOT}.${memberId}`;
  const outside = async (memberIds: readonly string[]): Promise<string[]> => {
    if (memberIds.length === 0) return [];
    const known = await members(tellers, memberIds);
    const settled = memberIds.filter((id) => known.get(id)?.changing === false);
    // Last: who was registered has come in before.
    const within = await memberships(tellers, settled.map(idOf));
    return settled.filter((id) => {
      const { isMember = false, changing = false } = within.get(idOf(id)) ?? {};
      return !isMember && !changing;
    });
  };
  return {
    page: (after) => idsAfter(tellers, 'member', after),
    differing: outside,
    repair: async (ids) => {
      const memberIds = await outside(ids);
      // Where Group has lost all there is nothing to be in before the next start.
      if (memberIds.length === 0 || !(await groups(tellers, [ROOT])).has(ROOT)) return;
      for (let at = 0; at < memberIds.length; at += AT_A_TIME) {
        const those = memberIds.slice(at, at + AT_A_TIME);
        const answer = await group.enterMembers({ operationId: `${newId()}/group.enterMembers`, memberIds: those });
        const entered = new Set(answer.memberIds.map(idOf));
        for (const id of entered) await findings.repair(['missing-membership'], id, async () => ({ corrected: true }));
        // Those are closed in Group only: it is an older copy, from the middle of their deletion.
        const passedOver = (await outside(those)).map(idOf).filter((id) => !entered.has(id));
        for (const id of passedOver) findings.leave('missing-membership', id, 'MEMBER_DELETING');
      }
    },
  };
}
