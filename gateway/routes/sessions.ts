import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import type { Session } from '#proto/musubi/auth/v1/auth.ts';
import { repeatableHeaders } from '../commands/carry-out.ts';
import { originOf } from '../http/authorize.ts';
import { pageOf, pageSchema, paging } from '../http/paging.ts';
import { route } from '../http/route.ts';
import { EXAMPLE_ID, idOf } from '../id.ts';

const sessionSchema = z
  .strictObject({
    id: z.string(),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime().meta({ description: 'The last refresh, or the login' }),
    expiresAt: z.iso.datetime().meta({ description: 'When it ends if it is not refreshed before' }),
    userAgent: z.string().meta({ description: 'As the client called itself at the login' }),
    address: z
      .string()
      .optional()
      .meta({ description: 'Where the login came from: an IPv4 address, or an IPv6 network of 64 bits; absent: not known' }),
    current: z.boolean().meta({ description: 'It is the one that asks' }),
  })
  .meta({
    id: 'Session',
    examples: [
      {
        id: EXAMPLE_ID,
        createdAt: '2026-11-25T09:30:00.000Z',
        lastUsedAt: '2026-11-26T08:15:00.000Z',
        expiresAt: '2026-12-26T08:15:00.000Z',
        userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
        address: '192.0.2.17',
        current: true,
      },
    ],
  });

const listSessions = route({
  method: 'GET',
  path: '/v1/auth/sessions',
  tag: 'Auth',
  operationId: 'listSessions',
  summary: 'Your sessions, newest first',
  action: 'auth.list-sessions',
  resource: () => ({ type: 'System', id: '' }),
  query: paging,
  responses: { 200: { description: 'A page of sessions', schema: pageSchema(sessionSchema, 'SessionPage') } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ accessToken, query: { pageSize, pageToken = '' } }, { auth }) {
    const { sessions, nextPageToken } = await auth.listSessions({ accessToken, pageSize, pageToken });
    return pageOf(sessions.map(toView), nextPageToken);
  },
});

function toView({ sessionId, createdAt, lastUsedAt, expiresAt, userAgent, address, current }: Session) {
  if (!createdAt || !lastUsedAt || !expiresAt) throw internal('INTERNAL', 'Auth answered with a session without its times');
  return {
    id: sessionId,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    userAgent,
    ...(address ? { address } : {}),
    current,
  };
}

const endSession = route({
  method: 'DELETE',
  path: '/v1/auth/sessions/{sessionId}',
  tag: 'Auth',
  operationId: 'endSession',
  summary: 'End one of your sessions',
  action: 'auth.end-session',
  params: { sessionId: idOf('session') },
  resource: () => ({ type: 'System', id: '' }),
  headers: repeatableHeaders,
  responses: { 204: { description: 'The session is over: its tokens are refused, and its sockets are closed' } },
  problems: ['SOCKETS_OPEN'],
  async handle({ accessToken, params: { sessionId }, ctx }, { lasting }) {
    await lasting.auth.endSession({ accessToken, sessionId, origin: originOf(ctx) });
    return { status: 204 as const };
  },
});

export const sessionRoutes = [listSessions, endSession];
