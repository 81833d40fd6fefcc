import { status } from '@grpc/grpc-js';
import type { Context } from 'koa';
import { MusubiError, notFound, permissionDenied, unauthenticated } from '#platform/errors.ts';
import type { CodeOf } from '#platform/problems.ts';
import { sameId } from '#platform/validation/id.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Origin } from '#proto/musubi/auth/v1/auth.ts';
import type { Gateway } from '../gateway.ts';
import { TOKEN_PROBLEMS } from './declared-problems.ts';
import type { Hidden, Principal, Reading, Resource } from './route.ts';
import { soleHeader } from './validation.ts';

/** The bearer token of a request (RFC 6750). Refused: TOKEN_MISSING, TOKEN_INVALID. */
export function bearerToken(ctx: Context): string {
  const header = soleHeader(ctx.req, 'Authorization');
  if (header === undefined) throw unauthenticated('TOKEN_MISSING', 'This needs a bearer token: POST /v1/auth/login gives one.');
  const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(header)?.[1];
  if (!token) throw unauthenticated('TOKEN_INVALID', 'Authorization must be Bearer and a token.');
  return token;
}

/** The subject that a token claims; empty when it can't be read. Nothing is verified here: Auth does that. */
export function claimedSubject(token: string): string {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : '';
    return typeof subject === 'string' ? sameId(subject) : '';
  } catch {
    return '';
  }
}

/** From where a request comes, for the audit. */
export const originOf = (ctx: Context): Origin => ({ address: ctx.state.source, client: ctx.get('user-agent').slice(0, 256) });

/** Asks Auth, in one call, whether the token is good and its member may do that. */
export async function authorize(
  gateway: Gateway,
  request: {
    accessToken: string;
    action: Action;
    filtered: boolean;
    resource: Resource;
    wantsPermit?: true | undefined;
    origin: Origin;
  },
  { hiddenAs, readBy, namedInBody }: Hidden & { namedInBody?: string | undefined },
): Promise<Principal> {
  try {
    const resource = { ownerId: '', ...request.resource };
    const { memberId, sessionId, seen, permit } = await gateway.auth.authorize({ ...request, resource });
    return { memberId, sessionId, seen, permit };
  } catch (error) {
    if (!hiddenAs || !isDenied(error)) throw error;
    if (readBy && (await isAllowed(gateway, { ...request, action: readBy }))) throw error;
    // In the same words as of one that is not there.
    throw namedNotFound(hiddenAs, namedInBody);
  }
}

/** What is not there, or not yours to see. @param field by which the request names it, where the path does not */
export const namedNotFound = (code: CodeOf<'NOT_FOUND'>, field?: string): MusubiError =>
  notFound(code, undefined, { fields: field ? [{ field, code: 'NOT_FOUND', message: 'names none that is yours to see' }] : [] });

/** Whether Auth refused it because the member may not do it. */
export const isDenied = (error: unknown): boolean =>
  error instanceof MusubiError && error.grpcStatus === status.PERMISSION_DENIED;

/** The same, or that there is no such thing, which is what is said of what one may not see, and of what is gone since. */
export const isHidden = (error: unknown): boolean =>
  isDenied(error) || (error instanceof MusubiError && error.grpcStatus === status.NOT_FOUND);

interface Asked {
  accessToken: string;
  action: Action;
  resource: Resource;
}

/** Whether the token's member may do that, of which nothing is done now. */
export async function isAllowed({ auth }: Pick<Gateway, 'auth'>, { accessToken, action, resource }: Asked): Promise<boolean> {
  const { allowed } = await auth.check({ accessToken, checks: [{ action, resource: { ownerId: '', ...resource } }] });
  return allowed[0] === true;
}

/** @throws PERMISSION_DENIED unless the token's member may do that */
export async function requireAllowed(gateway: Pick<Gateway, 'auth'>, asked: Asked): Promise<void> {
  if (!(await isAllowed(gateway, asked))) throw permissionDenied('PERMISSION_DENIED', `it needs the permission ${asked.action}`);
}

/**
 * Of what else a request shows, what must hold, so that the token's member may see it.
 *
 * @param id where it is one only
 * @throws PERMISSION_DENIED where it may see none
 */
export async function seenOf(
  { auth }: Pick<Gateway, 'auth'>,
  { accessToken, ctx }: { accessToken: string; ctx: Context },
  action: Reading,
  type: string,
  id = '',
): Promise<Condition | undefined> {
  const resource = { type, id, ownerId: '' };
  return (await auth.authorize({ accessToken, action, resource, filtered: true, origin: originOf(ctx) })).seen;
}

/** The condition of who may see none. */
export const SEES_NONE = { kind: { $case: 'always', value: false } } as const satisfies Condition;

/** The same; who may see none is answered with that. */
export const seenOrNone = async (...asked: Parameters<typeof seenOf>): Promise<Condition | undefined> =>
  await seenOf(...asked).catch((error: unknown) => {
    if (isDenied(error)) return SEES_NONE;
    throw error;
  });

/**
 * The challenge of a 401, which must have one (RFC 9110, 11.6.1). Only where a bearer token was given and is not good it
 * names an error (RFC 6750, section 3): no token, a wrong password or a refused refresh token says nothing about one, and
 * no client should try to mend it by a refresh.
 */
export function challenge(error: MusubiError): string {
  const realm = 'Bearer realm="musubi"';
  const { code, message } = error.told;
  if (!TOKEN_PROBLEMS.includes(code)) return realm;
  // Quoted-string: nothing but our own plain words comes in here, and quotes would end it.
  return `${realm}, error="invalid_token", error_description="${message.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '')}"`;
}
