import { status } from '@grpc/grpc-js';
import { z } from 'zod';
import { MusubiError } from '#platform/errors.ts';
import { isId, sameId } from '#platform/id.ts';
import type { Resource, TokenResponse } from '#proto/musubi/auth/v1/auth.ts';
import { repeatableHeaders } from '../commands.ts';
import { type Gateway, HASHING_MS } from '../gateway.ts';
import { route } from '../route.ts';
import { text } from '../text.ts';

const tokensSchema = z
  .strictObject({
    accessToken: z.string().meta({ description: 'A JWT (RFC 9068), for `Authorization: Bearer`' }),
    refreshToken: z.string().meta({ description: 'Good for one refresh; using it twice ends the session' }),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().meta({ description: 'Seconds until the access token expires' }),
    memberId: z.string(),
  })
  .meta({ id: 'Tokens' });

const jwksSchema = z
  .looseObject({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional() })) })
  .meta({ id: 'Jwks', description: 'A JSON Web Key Set (RFC 7517)' });

const tokens = ({ accessToken, refreshToken, expiresIn, memberId }: TokenResponse) => ({
  status: 200 as const,
  body: { accessToken, refreshToken, tokenType: 'Bearer' as const, expiresIn, memberId },
});

// A login or password that breaks the rules for new ones is simply a wrong one, hence no rules here but length.
const login = route({
  method: 'POST',
  path: '/v1/auth/login',
  tag: 'Auth',
  operationId: 'login',
  summary: 'Log in',
  public: true,
  headers: repeatableHeaders,
  body: z.strictObject({ loginId: text(1, 256), password: text(1, 1_024) }).meta({ id: 'Login' }),
  responses: { 200: { description: 'A new session', schema: tokensSchema } },
  problems: ['BAD_CREDENTIALS'],
  async handle({ body, ctx }, { auth }) {
    return tokens(
      await auth.login(
        { ...body, userAgent: ctx.get('user-agent').slice(0, 512), source: '', deviceCookie: '' },
        { timeoutMs: HASHING_MS },
      ),
    );
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
  body: z.strictObject({ refreshToken: text(1, 4_096) }).meta({ id: 'Refresh' }),
  responses: { 200: { description: 'The session goes on with these tokens', schema: tokensSchema } },
  problems: ['REFRESH_TOKEN_INVALID', 'REFRESH_TOKEN_REUSED'],
  async handle({ body }, { auth }) {
    return tokens(await auth.refresh(body));
  },
});

const logout = route({
  method: 'POST',
  path: '/v1/auth/logout',
  tag: 'Auth',
  operationId: 'logout',
  summary: 'End the session of this token',
  action: 'auth.logout',
  resource: () => ({ type: 'System', id: '', ownerId: '' }),
  headers: repeatableHeaders,
  responses: { 204: { description: 'The session is over; its tokens are refused from now on' } },
  async handle({ accessToken }, { auth }) {
    await auth.logout({ accessToken });
    return { status: 204 as const };
  },
});

const resourceSchema = z
  .strictObject({
    type: text(1, 100).meta({ description: '`Member`, `Job` or `System`', example: 'Member' }),
    id: text(1, 100)
      .overwrite(sameId)
      .optional()
      .meta({ description: 'Absent: all of that type, or one that does not exist yet; for `job.list`, your own' }),
  })
  .meta({ id: 'CheckedResource' });

const checkPermissions = route({
  method: 'POST',
  path: '/v1/auth/check',
  tag: 'Auth',
  operationId: 'checkPermissions',
  summary: 'Whether you may do these things',
  description:
    "Nothing is done. An unknown action or type is not allowed. Whether the resource exists is not checked; a job that Job does not know is nobody's.",
  action: 'auth.check',
  resource: () => ({ type: 'System', id: '', ownerId: '' }),
  headers: repeatableHeaders,
  body: z
    .strictObject({
      checks: z
        .array(
          z.strictObject({
            action: text(1, 100).meta({ description: 'As routes name it', example: 'member.update' }),
            resource: resourceSchema,
          }),
        )
        .min(1)
        .max(100),
    })
    .meta({ id: 'Checks' }),
  responses: {
    200: {
      description: 'One result for each check, in their order',
      schema: z.strictObject({ results: z.array(z.strictObject({ allowed: z.boolean() })) }).meta({ id: 'CheckResults' }),
    },
  },
  async handle({ body, accessToken, principal }, gateway) {
    const asked = body.checks.map(({ action, resource: { type, id = '' } }) => ({ action, type, id }));
    const ids = asked.filter(({ type, id }) => type === 'Job' && isId(id)).map(({ id }) => id);
    const owners = await ownersOf([...new Set(ids)], gateway);
    const ownerId = (action: string, type: string, id: string): string => {
      if (type === 'Member') return id;
      // As the routes have it: one's list of jobs is one's own.
      if (action === 'job.list' && type === 'Job' && id === '') return principal.memberId;
      return (type === 'Job' && owners.get(id)) || '';
    };
    const checks = asked.map(({ action, type, id }) => ({
      action,
      resource: { type, id, ownerId: ownerId(action, type, id) } satisfies Resource,
    }));
    const { allowed } = await gateway.auth.check({ accessToken, checks });
    return { status: 200 as const, body: { results: allowed.map((one) => ({ allowed: one })) } };
  },
});

/** Jobs that are asked for at the same time. */
const AT_ONCE = 10;

/** Whose these jobs are; those that Job does not know are absent. */
async function ownersOf(jobIds: readonly string[], { job }: Gateway): Promise<Map<string, string>> {
  const owners = new Map<string, string>();
  for (let first = 0; first < jobIds.length; first += AT_ONCE) {
    await Promise.all(
      jobIds.slice(first, first + AT_ONCE).map(async (jobId) => {
        try {
          owners.set(jobId, (await job.getJob({ jobId })).job?.memberId ?? '');
        } catch (error) {
          if (!(error instanceof MusubiError && error.grpcStatus === status.NOT_FOUND)) throw error;
        }
      }),
    );
  }
  return owners;
}

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

export const authRoutes = [login, refresh, logout, checkPermissions, jwks];
