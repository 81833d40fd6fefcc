import { parse } from 'node:querystring';
import { Readable } from 'node:stream';
import { status } from '@grpc/grpc-js';
import type { Context, Middleware } from 'koa';
import { z } from 'zod';
import { internal, invalidFields, MusubiError, notFound } from '#platform/errors.ts';
import { PARSING, violationsOf } from '#platform/validation/schema.ts';
import { forRequest, type Gateway, type RequestGateway } from '../gateway.ts';
import { authorize, bearerToken, claimedSubject, originOf } from './authorize.ts';
import { readJson } from './body.ts';
import { clientLeft } from './client-left.ts';
import { notFoundCode } from './declared-problems.ts';
import { matchesAny } from './etag.ts';
import { type Answer, type Call, locate, type Principal, type Route } from './route.ts';
import { headersOf, validated } from './validation.ts';

/** A request without this is another one, so a route that does not heed it refuses it. */
const PRECONDITIONS = ['If-Match', 'If-Unmodified-Since'];
/** The same where something is changed; elsewhere it only spares an answer. */
const UNSAFE_PRECONDITIONS = [...PRECONDITIONS, 'If-None-Match'];

/** The body of a route that takes none: a body that somebody sent would be passed over. */
const NO_BODY = z.strictObject({}).optional();

const NOBODY: Principal = { memberId: '', sessionId: '', seen: undefined };

/**
 * Makes a declared route answer requests: authorise, validate, handle, send. Authorisation comes first,
 * so that a stranger learns nothing, not even what a valid request looks like, and no body of a stranger is read. (Where only the body
 * says what it is about, a stranger is one without a good token.)
 */
export function dispatch(route: Route, gateway: Gateway): Middleware {
  return async (ctx) => {
    ctx.state.route = route.path;
    ctx.state.locate = (field: string) => locate(route, field);
    const request = forRequest(gateway, clientLeft(ctx.req.socket));
    const params = paramsOf(route, ctx.params);
    ctx.state.path = loggedPath(route, params.value);
    const early = route.namedInBody ? await readOfKnown(route, request, ctx) : undefined;
    const { principal, loaded, accessToken } = route.public
      ? { principal: NOBODY, loaded: undefined, accessToken: '' }
      : await admitted(early ? naming(route, early.body) : route, request, ctx, params);
    if (params.error) throw params.error;
    ctx.state.memberId = principal.memberId || undefined;

    const { query, header, body } = early ?? (await read(route, ctx));
    const call: Call = {
      params: params.value,
      query,
      headers: header,
      body: route.body && body,
      loaded,
      principal,
      accessToken,
      ctx,
    };
    send(ctx, await route.handle(call, request));
  };
}

/** What the request brings, by the route's schemas. */
async function read(route: Route, ctx: Context) {
  return validated({
    // Not Koa's `query`: it reads all values of a parameter again for each of them. Every parameter is read: by default
    // those after the thousandth are passed over.
    query: [route.query, { ...parse(ctx.querystring, undefined, undefined, { maxKeys: 0 }) }],
    header: [route.headers, relevantHeaders(route, ctx)],
    ...(route.method === 'GET' ? {} : { body: [route.body ?? NO_BODY, await readJson(ctx, route.bodyLimit)] }),
  });
}

/** The same, of who has a good token. */
async function readOfKnown(route: Route, gateway: RequestGateway, ctx: Context) {
  await gateway.auth.authenticate({ accessToken: bearerToken(ctx) });
  return await read(route, ctx);
}

/** The route, of which the body says what it is about. */
const naming = (route: Exclude<Route, { public: true }>, body: unknown): typeof route => ({
  ...route,
  resource: (asking) => route.resource({ ...asking, body }),
});

/** The headers that the route declares, and those that it must not pass over. */
function relevantHeaders(route: Route, { req }: Context): Record<string, unknown> {
  const preconditions = (route.method === 'GET' ? PRECONDITIONS : UNSAFE_PRECONDITIONS).filter(
    (name) => req.headers[name.toLowerCase()] !== undefined,
  );
  return headersOf(req, [...Object.keys(route.headers.shape), ...preconditions]);
}

/** What of the path is read by its rule, as far as it keeps it, and what is wrong with the rest. */
interface Params {
  value: Record<string, unknown>;
  error?: MusubiError;
}

/** An ID that can't be one names nothing: 404, not 400. What a client makes up itself is a field, as those of a body are. */
function paramsOf({ params, fieldsInPath = [] }: Route, raw: unknown): Params {
  const parsed = params.safeParse(raw, PARSING);
  if (parsed.success) return { value: parsed.data };
  const wrong = new Set(parsed.error.issues.map(({ path }) => String(path[0] ?? 'resource')));
  const given = raw as Record<string, unknown>;
  const value = Object.fromEntries(
    Object.entries(params.shape).map(([name, schema]) => [name, wrong.has(name) ? '' : (schema as z.ZodType).parse(given[name])]),
  );
  const missing = [...wrong].find((name) => !fieldsInPath.includes(name));
  const error =
    missing === undefined
      ? invalidFields(parsed.error.issues.flatMap(violationsOf).map((violation) => ({ ...violation, in: 'path' as const })))
      : notFound(notFoundCode(missing), `There is no such ${missing.replace(/Id$/, '')}.`);
  return { value, error };
}

/** The path with its IDs, for the log: what clients make up themselves (`fieldsInPath`) may say of people what belongs in no log. */
const loggedPath = ({ path, fieldsInPath = [] }: Route, params: Record<string, unknown>): string =>
  path.replaceAll(/\{(\w+)\}/g, (field, name: string) => (!fieldsInPath.includes(name) && String(params[name] ?? '')) || field);

async function admitted(route: Exclude<Route, { public: true }>, gateway: RequestGateway, ctx: Context, params: Params) {
  const accessToken = bearerToken(ctx);
  const claimedMemberId = claimedSubject(accessToken);
  let loaded: unknown;
  let missing: MusubiError | undefined;
  if (!params.error && route.load) {
    try {
      loaded = await route.load({ params: params.value }, gateway);
    } catch (error) {
      // Only a client whose token is good learns what it is.
      if (!(error instanceof MusubiError) || error.grpcStatus !== status.NOT_FOUND) {
        await gateway.auth.authenticate({ accessToken });
        throw error;
      }
      missing = error;
    }
  }
  const named = params.value;
  const resource = route.resource({ params: named, loaded, claimedMemberId });
  const { filtered = false, begins: wantsPermit, selfAction } = route;
  // Whose token it is, Auth says in the same call: it refuses one of which that is not true.
  const action = selfAction && named.memberId === claimedMemberId ? selfAction : route.action;
  const asked = { accessToken, action, filtered, resource, wantsPermit, origin: originOf(ctx) };
  const principal = await authorize(gateway, asked, route);
  if (missing) throw missing;
  return { principal, loaded, accessToken };
}

/** An answer that is half sent can not become another one: its client sees that it does not end. */
function cutIfItFails(ctx: Context, body: Readable): void {
  body.once('error', (error) => {
    ctx.state.error = error instanceof MusubiError ? error : internal('INTERNAL', 'defect', { cause: error });
    ctx.res.destroy();
  });
}

function send(ctx: Context, answer: Answer): void {
  // Before the status: null says that there is no body, for which Koa would otherwise write a word of its own, and means 204.
  ctx.body = answer.body ?? null;
  if (answer.body instanceof Readable) cutIfItFails(ctx, answer.body);
  ctx.status = answer.status;
  ctx.set(answer.headers ?? {});
  const tag = answer.headers?.ETag;
  // The client keeps the copy that it has.
  if (ctx.status === 200 && ['GET', 'HEAD'].includes(ctx.method) && tag && matchesAny(ctx.get('if-none-match'), tag)) {
    ctx.status = 304;
    ctx.remove('Content-Encoding');
  }
}
