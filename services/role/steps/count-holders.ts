import type { Step } from '#platform/operations/postgres.ts';
import type { CountHoldersRequest, CountHoldersResponse } from '#proto/musubi/role/v1/role.ts';
import { countHolders as count } from '../member-roles.ts';

/** How many hold a role, so that a saga knows how often it is to take it from some. */
export const countHolders: Step<CountHoldersRequest, CountHoldersResponse> = {
  do: async (tx, { roleId }) => ({ result: { holders: await count(tx, roleId) } }),
  undo: 'impossible',
};
