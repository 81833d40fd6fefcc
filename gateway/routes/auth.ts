import { z } from 'zod';
import type { TokenResponse } from '#proto/musubi/auth/v1/auth.ts';
import { HASHING_MS } from '../gateway.ts';
import { route } from '../route.ts';

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
  body: z.strictObject({ loginId: z.string().min(1).max(256), password: z.string().min(1).max(1_024) }).meta({ id: 'Login' }),
  responses: { 200: { description: 'A new session', schema: tokensSchema } },
  problems: { 401: 'BAD_CREDENTIALS: the same for an unknown login and a wrong password' },
  async handle({ body, ctx }, { auth }) {
    return tokens(await auth.login({ ...body, userAgent: ctx.get('user-agent').slice(0, 512) }, { timeoutMs: HASHING_MS }));
  },
});

const refresh = route({
  method: 'POST',
  path: '/v1/auth/refresh',
  tag: 'Auth',
  operationId: 'refresh',
  summary: 'Exchange a refresh token for new tokens',
  public: true,
  body: z.strictObject({ refreshToken: z.string().min(1).max(4_096) }).meta({ id: 'Refresh' }),
  responses: { 200: { description: 'The session goes on with these tokens', schema: tokensSchema } },
  problems: { 401: 'The refresh token is not valid, or was used before (REFRESH_TOKEN_REUSED: the session is ended)' },
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
  responses: { 204: { description: 'The session is over; its tokens are refused from now on' } },
  async handle({ accessToken }, { auth }) {
    await auth.logout({ accessToken });
    return { status: 204 as const };
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

export const authRoutes = [login, refresh, logout, jwks];
