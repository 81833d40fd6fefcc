import { z } from 'zod';
import type { SimulateResponse } from '#proto/musubi/auth/v1/auth.ts';

/** What decides a question, as clients are told it. */
export const deciding = {
  policies: z.array(z.strictObject({ policyId: z.string(), roleId: z.string() })).meta({
    description: 'Those that permit, or that forbid, with the role that carries each; none: no policy permits it',
  }),
  positions: z.array(z.strictObject({ positionId: z.string(), groupId: z.string() })).meta({
    description:
      'Of a group, the positions that grant it, each with the group where the member holds it, as far as that is yours to read',
  }),
};

export const decidedBy = ({ policies, positions }: Pick<SimulateResponse, 'policies' | 'positions'>) => ({
  policies: policies.map(({ policyId, roleId }) => ({ policyId, roleId })),
  positions: positions.map(({ positionId, groupId }) => ({ positionId, groupId })),
});
