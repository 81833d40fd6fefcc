import { z } from 'zod';
import { type SimulateResponse, type Tie, TieKind } from '#proto/musubi/auth/v1/auth.ts';

const KINDS = ['member', 'leader', 'invited', 'holder', 'within'] as const;
const KIND_OF: Partial<Record<TieKind, (typeof KINDS)[number]>> = {
  [TieKind.TIE_KIND_MEMBER]: 'member',
  [TieKind.TIE_KIND_LEADER]: 'leader',
  [TieKind.TIE_KIND_INVITED]: 'invited',
  [TieKind.TIE_KIND_HOLDER]: 'holder',
  [TieKind.TIE_KIND_WITHIN]: 'within',
};

const tie = z
  .strictObject({
    kind: z.enum(KINDS),
    groupId: z.string(),
    positionId: z.string().optional().meta({ description: 'By which position it leads, or which one it holds' }),
  })
  .meta({
    description:
      'What the policy asks for and finds: the member is in the group (`member`), leads it (`leader`), is invited to it, or holds a position of it; or the group that is asked about is in that one (`within`)',
  });

/** What decides a question, as clients are told it. */
export const deciding = {
  policies: z.array(z.strictObject({ policyId: z.string(), roleId: z.string(), ties: z.array(tie) })).meta({
    description:
      'Those that permit, or that forbid, with the role that carries each, and of groups what it goes by, as far as that is yours to read; none: no policy permits it',
  }),
  positions: z.array(z.strictObject({ positionId: z.string(), groupId: z.string() })).meta({
    description:
      'Of a group, the positions that grant it, each with the group where the member holds it, as far as that is yours to read',
  }),
};

function tieShown({ kind, groupId, positionId }: Tie) {
  const shown = KIND_OF[kind];
  return shown ? [{ kind: shown, groupId, ...(positionId === undefined ? {} : { positionId }) }] : [];
}

export const decidedBy = ({ policies, positions }: Pick<SimulateResponse, 'policies' | 'positions'>) => ({
  policies: policies.map(({ policyId, roleId, ties }) => ({ policyId, roleId, ties: ties.flatMap(tieShown) })),
  positions: positions.map(({ positionId, groupId }) => ({ positionId, groupId })),
});
