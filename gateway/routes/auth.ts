import { z } from 'zod';
import { text } from '#platform/validation/fields.ts';
import { isId } from '#platform/validation/id.ts';
import type { Resource, TokenResponse } from '#proto/musubi/auth/v1/auth.ts';
import { repeatableHeaders } from '../commands/carry-out.ts';
import { HASHING_TIMEOUT_MS } from '../gateway.ts';
import { originOf } from '../http/authorize.ts';
import { route } from '../http/route.ts';
import { EXAMPLE_ID } from '../id.ts';
import { checkedResource, ownersOf } from './checked.ts';
import { DEVICE_COOKIE, deviceCookie, setDeviceCookie } from './device-cookie.ts';
import { changePassword } from './password.ts';

const EXAMPLE_REFRESH_TOKEN = 'kz3N0pWvXbYq5mQ1rT8uHc2JdLfGsA7e';

const tokensSchema = z
  .strictObject({
    accessToken: z.string().meta({ description: 'A JWT (RFC 9068), for `Authorization: Bearer`' }),
    refreshToken: z.string().meta({
      description:
        'Good for one refresh. If its answer is lost, the same is answered again for 10 seconds; used later than that, or after its successor was, it ends the session',
    }),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().meta({ description: 'Seconds until the access token expires' }),
    memberId: z.string(),
  })
  .meta({
    id: 'Tokens',
    examples: [
      {
        accessToken: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTk5YTdjMCJ9.c2lnbmF0dXJl',
        refreshToken: EXAMPLE_REFRESH_TOKEN,
        tokenType: 'Bearer',
        expiresIn: 300,
        memberId: EXAMPLE_ID,
      },
    ],
  });

const jwksSchema = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional() })) }).meta({
  id: 'Jwks',
  description: 'A JSON Web Key Set (RFC 7517)',
  examples: [{ keys: [{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: '1', x: 'f83OJ3D2xF1B', y: 'x_FEzRu9m36H' }] }],
});

const tokens = ({ accessToken, refreshToken, expiresIn, memberId }: TokenResponse) => ({
  status: 200 as const,
  body: { accessToken, refreshToken, tokenType: 'Bearer' as const, expiresIn, memberId },
});

/** @param secure whether clients reach us by https: then the cookie goes over https only */
const login = (secure: boolean) =>
  route({
    method: 'POST',
    path: '/v1/auth/login',
    tag: 'Auth',
    operationId: 'login',
    summary: 'Log in',
    description:
      'A login with the cookie that an earlier one of this member set is never refused for what others tried; one from where it has logged in before, never for what was tried elsewhere.',
    public: true,
    headers: repeatableHeaders,
    cookies: deviceCookie,
    // What breaks the rules for new ones is simply wrong, hence no rules here but length.
    body: z
      .strictObject({ loginId: text(1, 256), password: text(1, 1_024) })
      .meta({ id: 'Login', examples: [{ loginId: 'hanako', password: 'correct horse battery' }] }),
    responses: {
      200: {
        description: 'A new session',
        schema: tokensSchema,
        headers: { 'Set-Cookie': `\`${DEVICE_COOKIE}\`, for the next login of this member on this device; it opens nothing` },
      },
    },
    problems: ['BAD_CREDENTIALS', 'LOGIN_SUSPENDED', 'TOO_MANY_ATTEMPTS'],
    async handle({ body, ctx }, { auth }) {
      const answer = await auth.login(
        {
          ...body,
          userAgent: ctx.get('user-agent').slice(0, 512),
          source: ctx.state.source,
          deviceCookie: ctx.cookies.get(DEVICE_COOKIE) ?? '',
        },
        { timeoutMs: HASHING_TIMEOUT_MS },
      );
      ctx.state.memberId = answer.memberId;
      return { ...tokens(answer), headers: { 'Set-Cookie': setDeviceCookie(answer, secure) } };
    },
  });

const refresh = route({
  method: 'POST',
  path: '/v1/auth/refresh',
  tag: 'Auth',
  operationId: 'refresh',
  summary: 'Exchange a refresh token for new tokens',
  public: true,
  headers: repeatableHeaders,
  body: z
    .strictObject({ refreshToken: text(1, 4_096) })
    .meta({ id: 'Refresh', examples: [{ refreshToken: EXAMPLE_REFRESH_TOKEN }] }),
  responses: { 200: { description: 'The session goes on with these tokens', schema: tokensSchema } },
  problems: ['REFRESH_TOKEN_INVALID', 'REFRESH_TOKEN_REUSED', 'SOCKETS_OPEN'],
  async handle({ body, ctx }, { lasting }) {
    return tokens(await lasting.auth.refresh({ ...body, origin: originOf(ctx) }));
  },
});

const logout = route({
  method: 'POST',
  path: '/v1/auth/logout',
  tag: 'Auth',
  operationId: 'logout',
  summary: 'End the session of this token',
  action: 'auth.logout',
  resource: () => ({ type: 'System', id: '' }),
  headers: repeatableHeaders,
  responses: { 204: { description: 'The session is over: its tokens are refused, and its sockets are closed' } },
  problems: ['SOCKETS_OPEN'],
  async handle({ accessToken, ctx }, { lasting }) {
    await lasting.auth.logout({ accessToken, origin: originOf(ctx) });
    return { status: 204 as const };
  },
});

const checkPermissions = route({
  method: 'POST',
  path: '/v1/auth/check',
  tag: 'Auth',
  operationId: 'checkPermissions',
  summary: 'Whether you may do these things',
  description:
    "Nothing is done. An unknown action or type is not allowed. Whether the resource exists is not checked; a job that Job does not know is nobody's.",
  action: 'auth.check',
  resource: () => ({ type: 'System', id: '' }),
  headers: repeatableHeaders,
  body: z
    .strictObject({
      checks: z.array(checkedResource).min(1).max(100),
    })
    .meta({ id: 'Checks', examples: [{ checks: [{ action: 'member.update', resource: { type: 'Member', id: EXAMPLE_ID } }] }] }),
  responses: {
    200: {
      description: 'One result for each check, in their order',
      schema: z
        .strictObject({ results: z.array(z.strictObject({ allowed: z.boolean() })) })
        .meta({ id: 'CheckResults', examples: [{ results: [{ allowed: true }] }] }),
    },
  },
  async handle({ body, accessToken, principal }, gateway) {
    const asked = body.checks.map(({ action, resource: { type, id = '' } }) => ({ action, type, id }));
    const ids = asked.filter(({ type, id }) => type === 'Job' && isId(id)).map(({ id }) => id);
    const owners = await ownersOf(ids, gateway);
    const ownerId = (action: string, type: string, id: string): string => {
      // As the routes have it: one's list of jobs is one's own.
      if (action === 'job.list' && type === 'Job' && id === '') return principal.memberId;
      return (type === 'Job' && owners[id]) || '';
    };
    const checks = asked.map(({ action, type, id }) => ({
      action,
      resource: { type, id, ownerId: ownerId(action, type, id) } satisfies Resource,
    }));
    const { allowed } = await gateway.auth.check({ accessToken, checks });
    return { status: 200 as const, body: { results: allowed.map((one) => ({ allowed: one })) } };
  },
});

const jwks = route({
  method: 'GET',
  path: '/.well-known/jwks.json',
  tag: 'Auth',
  operationId: 'getJwks',
  summary: 'The keys that access tokens are signed with',
  public: true,
  responses: { 200: { description: 'The public keys', schema: jwksSchema } },
  async handle(_, { auth }) {
    const { jwksJson } = await auth.getJwks({});
    const body: z.output<typeof jwksSchema> = jwksSchema.parse(JSON.parse(jwksJson));
    return { status: 200 as const, body, headers: { 'Cache-Control': 'public, max-age=300' } };
  },
});

/** @param publicUrl where clients reach us */
export const authRoutes = (publicUrl?: string) => [
  login(publicUrl?.startsWith('https:') ?? false),
  refresh,
  logout,
  changePassword,
  checkPermissions,
  jwks,
];
