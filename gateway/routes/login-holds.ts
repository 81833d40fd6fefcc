import { z } from 'zod';
import { loginId } from '#platform/validation/fields.ts';
import type { HeldLogin } from '#proto/musubi/auth/v1/auth.ts';
import { commandRoute } from '../commands/route.ts';
import { pageOf, pageSchema, paging } from '../http/paging.ts';
import { route } from '../http/route.ts';
import { EXAMPLE_ID, idOf } from '../id.ts';
import { iso } from './time.ts';

const holdSchema = z
  .strictObject({
    id: z.uuid(),
    loginId: z.string().optional().meta({ description: 'Absent once its member is deleted: ask for it by the query parameter' }),
    memberId: z.uuid().meta({ description: 'Who gave it up, and alone may take it back' }),
    heldAt: z.iso.datetime(),
    heldUntil: z.iso.datetime(),
  })
  .meta({
    id: 'LoginHold',
    examples: [
      {
        id: '5b0fd6cc-0a3c-8d52-9d1c-1f2f7c5a9b10',
        loginId: 'hanako',
        memberId: EXAMPLE_ID,
        heldAt: '2026-11-25T09:30:00.000Z',
        heldUntil: '2026-12-25T09:30:00.000Z',
      },
    ],
  });

const listLoginHolds = route({
  method: 'GET',
  path: '/v1/login-holds',
  tag: 'Members',
  operationId: 'listLoginHolds',
  summary: 'List the logins that were given up and are held',
  description: 'A login that was given up by a rename, or whose member was deleted, goes to nobody else for a time.',
  action: 'member.list-login-holds',
  resource: () => ({ type: 'Member', id: '' }),
  query: { loginId: loginId.optional().meta({ description: 'The one of this login', examples: ['hanako'] }), ...paging },
  responses: { 200: { description: 'A page of holds', schema: pageSchema(holdSchema, 'LoginHoldPage') } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ query: { loginId = '', pageSize, pageToken = '' } }, gateway) {
    const { heldLogins, nextPageToken } = await gateway.auth.listHeldLogins({ loginId, pageSize, pageToken });
    return pageOf(heldLogins.map(shown), nextPageToken);
  },
});

const shown = ({ holdId, loginId, memberId, heldAt, until }: HeldLogin) => ({
  id: holdId,
  ...(loginId === undefined ? {} : { loginId }),
  memberId,
  heldAt: iso(heldAt),
  heldUntil: iso(until),
});

const releaseLogin = commandRoute({
  command: 'member.release-login',
  method: 'DELETE',
  path: '/v1/login-holds/{holdId}',
  tag: 'Members',
  operationId: 'releaseLogin',
  summary: 'Release a login that is held',
  params: { holdId: idOf('hold') },
  resource: () => ({ type: 'Member', id: '' }),
  aggregateId: ({ holdId }) => holdId,
  input: ({ id }) => ({ holdId: id }),
  about: ({ params }) => `Release the login of hold ${params.holdId}`,
  responses: { 204: { description: 'Anybody may take the login now' } },
  problems: [],
  answer: async () => ({ status: 204 as const }),
});

export const loginHoldRoutes = [listLoginHolds, releaseLogin];
