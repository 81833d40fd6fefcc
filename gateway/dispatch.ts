import { parse } from 'node:querystring';
import { status } from '@grpc/grpc-js';
import type { Context, Middleware } from 'koa';
import { MusubiError, notFound } from '#platform/errors.ts';
import { authorize, bearerToken, claimedSubject } from './authorize.ts';
import { readJson } from './body.ts';
import { matchesAny } from './etag.ts';
import type { Gateway } from './gateway.ts';
import type { Answer, Call, Principal, Route } from './route.ts';
import { validated } from './validation.ts';

const NOBODY: Principal = { memberId: '', sessionId: '' };

/**
 * Makes a declared route answer requests: authorise, validate, handle, send. Authorisation comes first,
 * so that a stranger learns nothing, not even what a valid request looks like, and no body of a stranger is read.
 */
export function dispatch(route: Route, gateway: Gateway): Middleware {
  return async (ctx) => {
    ctx.state.route = route.path;
    const params = paramsOf(route, ctx.params);
    const { principal, loaded, accessToken } = route.public
      ? { principal: NOBODY, loaded: undefined, accessToken: '' }
      : await admitted(route, gateway, ctx, params);
    if (!params.ok) throw params.error;
    ctx.state.memberId = principal.memberId || undefined;

    const call: Call = {
      params: params.value,
      // Not Koa's `query`: it reads all values of a parameter again for each of them.
      query: validated(route.query, { ...parse(ctx.querystring) }, 'query'),
      headers: validated(
        route.headers,
        Object.fromEntries(Object.keys(route.headers.shape).map((name) => [name, ctx.get(name) || undefined])),
        'headers',
      ),
      body: route.body ? validated(route.body, await readJson(ctx), 'body') : undefined,
      loaded,
      principal,
      accessToken,
      ctx,
    };
    send(ctx, await route.handle(call, gateway));
  };
}

type Params = { ok: true; value: Record<string, unknown> } | { ok: false; error: MusubiError };

/** An ID that can't be one names nothing: 404, not 400. */
function paramsOf(route: Route, raw: unknown): Params {
  const parsed = route.params.safeParse(raw);
  if (parsed.success) return { ok: true, value: parsed.data };
  const name = String(parsed.error.issues[0]?.path[0] ?? 'resource').replace(/Id$/, '');
  return { ok: false, error: notFound(`${name.toUpperCase()}_NOT_FOUND`, `There is no such ${name}.`) };
}

async function admitted(route: Exclude<Route, { public: true }>, gateway: Gateway, ctx: Context, params: Params) {
  const accessToken = bearerToken(ctx);
  const claimedMemberId = claimedSubject(accessToken);
  let loaded: unknown;
  let missing: MusubiError | undefined;
  if (params.ok && route.load) {
    try {
      loaded = await route.load({ params: params.value }, gateway);
    } catch (error) {
      // Whatever it is, it is told only to those whose token is good.
      if (!(error instanceof MusubiError) || error.grpcStatus !== status.NOT_FOUND) {
        await gateway.auth.authenticate({ accessToken });
        throw error;
      }
      missing = error;
    }
  }
  const named = params.ok ? params.value : Object.fromEntries(Object.keys(route.params.shape).map((name) => [name, '']));
  const resource = route.resource({ params: named, loaded, claimedMemberId });
  const principal = await authorize(gateway, { accessToken, action: route.action, resource }, route.hiddenAs);
  if (missing) throw missing;
  return { principal, loaded, accessToken };
}

function send(ctx: Context, answer: Answer): void {
  ctx.status = answer.status;
  ctx.set(answer.headers ?? {});
  if (answer.body !== undefined) ctx.body = answer.body;
  const tag = answer.headers?.ETag;
  // The client keeps the copy that it has.
  if (ctx.status === 200 && ['GET', 'HEAD'].includes(ctx.method) && tag && matchesAny(ctx.get('if-none-match'), tag))
    ctx.status = 304;
}
