import { z } from 'zod';
import { password, text } from '#platform/validation/fields.ts';
import { commandRoute } from '../commands/route.ts';
import { HASHING_TIMEOUT_MS } from '../gateway.ts';
import { DEVICE_COOKIE, deviceCookie } from './device-cookie.ts';

export const changePassword = commandRoute({
  command: 'auth.change-password',
  method: 'PUT',
  path: '/v1/auth/password',
  tag: 'Auth',
  operationId: 'changePassword',
  summary: 'Change your password',
  description:
    'Wrong ones count as if they were given at the login. The session that asks stays; if the others end, their sockets are closed, too, before the command is acknowledged.',
  resource: () => ({ type: 'System', id: '' }),
  cookies: deviceCookie,
  body: z
    .strictObject({
      // What breaks the rules for new ones is simply wrong.
      currentPassword: text(1, 1_024),
      newPassword: password,
      endOtherSessions: z
        .boolean()
        .default(false)
        .meta({ description: 'Whether all your other sessions end; it is for you to choose (OWASP ASVS 5.0, 7.4.3)' }),
    })
    .meta({
      id: 'PasswordChange',
      examples: [{ currentPassword: 'correct horse battery', newPassword: 'staple of the 結び', endOtherSessions: true }],
    }),
  secrets: ['currentPassword', 'newPassword'],
  aggregateId: (_, byMemberId) => byMemberId,
  // The current one is looked at before a job is issued, which a wrong one must not leave behind.
  prepare: ({ currentPassword, newPassword }, { auth }, { accessToken, ctx }) =>
    auth.stagePasswordChange(
      {
        accessToken,
        currentPassword,
        newPassword,
        source: ctx.state.source,
        deviceCookie: ctx.cookies.get(DEVICE_COOKIE) ?? '',
      },
      { timeoutMs: HASHING_TIMEOUT_MS },
    ),
  input: ({ id, body: { endOtherSessions }, bySessionId, prepared: { passwordRef } }) => ({
    memberId: id,
    sessionId: bySessionId,
    passwordRef,
    endOtherSessions,
  }),
  about: () => 'Change a password',
  responses: { 204: { description: 'The new password holds, and the former one is wrong' } },
  problems: [
    'WEAK_PASSWORD',
    'PASSWORD_UNCHANGED',
    'CURRENT_PASSWORD_WRONG',
    'TOO_MANY_ATTEMPTS',
    'PASSWORD_CHANGED',
    'PASSWORD_REF_INVALID',
    'LOGIN_SUSPENDED',
    'LOGIN_NOT_FOUND',
  ],
  answer: async () => ({ status: 204 as const }),
});
