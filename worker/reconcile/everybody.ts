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
      const { written } = await group.enterMembers({ operationId: `${newId()}/group.enterMembers`, memberIds });
      for (const { id } of written) await findings.repair(['missing-membership'], id, async () => ({ corrected: true }));
    },
  };
}
