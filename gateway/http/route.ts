import type { Readable } from 'node:stream';
import type { Context } from 'koa';
import { z } from 'zod';
import type { FieldPlace } from '#platform/errors.ts';
import type { CodeOf, ProblemCode } from '#platform/problems.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Resource as ResourceOfAuth } from '#proto/musubi/auth/v1/auth.ts';
import type { RequestGateway } from '../gateway.ts';
import type { BodyLimit } from './body.ts';
import { ifNoneMatch } from './etag.ts';

/**
 * A route is declared once, as one object; the router, the validation, the authorisation and the OpenAPI
 * document are all made from it, so that they can't disagree. Refused by default: a route names the
 * action that it is authorised by, or says that it is public.
 */

type Shape = z.ZodRawShape;
type Input<S extends Shape> = z.output<z.ZodObject<S>>;

/** The condition of those of whom it is known already that they may see it, or to whom it is not shown. */
export const SEES_ALL = { kind: { $case: 'always', value: true } } as const satisfies Condition;

/** What a request is about. Its owner is named only where Auth does not know it: a job's. */
export type Resource = Omit<ResourceOfAuth, 'ownerId'> & Partial<Pick<ResourceOfAuth, 'ownerId'>>;

/** Who is asking, as Auth verified it. */
export interface Principal {
  memberId: string;
  sessionId: string;
  /** Of a route that is `filtered`: what must hold of a thing, so that the member may see it. Query filters by it. */
  seen: Condition | undefined;
  /** Of a command: what allowed it, sealed by Auth, for the pivot of its saga. */
  permit?: string | undefined;
}

/** What is known of a request before Auth has spoken. */
interface Asking<P extends Shape, L> {
  params: Input<P>;
  /** What `load` read; undefined when that does not exist. */
  loaded: L | undefined;
  /** The member that the token says it is of. Not verified yet: good only for naming a resource to Auth. */
  claimedMemberId: string;
  /** Of a route whose resource is `namedInBody`: the body. */
  body?: unknown;
}

/** A valid, authorised request. */
export interface Call<
  P extends Shape = Shape,
  Q extends Shape = Shape,
  B extends z.ZodType = z.ZodType,
  H extends Shape = Shape,
  L = unknown,
> {
  params: Input<P>;
  query: Input<Q>;
  headers: Input<H>;
  body: z.output<B>;
  loaded: L;
  /** Of a public route: nobody. */
  principal: Principal;
  accessToken: string;
  /** The request as it came, for what the declaration has no word for. */
  ctx: Context;
}

export interface ResponseDeclaration {
  description: string;
  /** The body's schema; none: no body. */
  schema?: z.ZodType;
  /** Of a body that is not JSON. */
  contentType?: string;
  headers?: Record<string, string>;
}
type Responses = Record<number, ResponseDeclaration>;

/** One of the answers that the route declares, with a body of the declared shape, or the bytes of one, at once or as they come. */
export type Answer<R extends Responses = Responses> = {
  [S in keyof R & number]: {
    status: S;
    headers?: Record<string, string>;
  } & (R[S] extends { schema: infer Z extends z.ZodType } ? { body: z.input<Z> | Buffer | Readable } : { body?: unknown });
}[keyof R & number];

/** The actions by which lists are filtered (`isReading` of Auth). */
export type Reading = Extract<Action, `${string}.${'read' | 'list' | 'list-members'}`>;

/** What Auth is asked for. A route that is `filtered` answers only with what the member may see (`Principal.seen`). */
type Asked = { action: Action; filtered?: never } | { action: Reading; filtered: true };

/** How it is answered who may not do what the route does. */
export interface Hidden {
  /** The code of a 404 that stands for 403: who may not see it must not learn that it exists. */
  hiddenAs?: CodeOf<'NOT_FOUND'> | undefined;
  /** Who may do this to it sees it, and is answered 403 all the same. */
  readBy?: Action | undefined;
}

type Access<P extends Shape, L> = Asked &
  Hidden & {
    /** The action of who does it to itself: who is the member of the path (`memberId`). Default: the same. */
    selfAction?: Action;
    /** Whether it begins a saga, which needs a permit. */
    begins?: true;
    /** Reads what the request is about, where Auth must know more of it than its ID. Throws what it is refused by. */
    load?(asking: { params: Input<P> }, gateway: RequestGateway): Promise<L>;
    resource(asking: Asking<P, L>): Resource;
    public?: never;
  };

interface PublicAccess {
  public: true;
  action?: never;
  filtered?: never;
  selfAction?: never;
  begins?: never;
  load?: never;
  resource?: never;
  hiddenAs?: never;
  readBy?: never;
}

interface Declaration<P extends Shape, Q extends Shape, B extends z.ZodType, H extends Shape, R extends Responses, L> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** An OpenAPI path template: `/v1/jobs/{jobId}:cancel` */
  path: string;
  /** The capability, and the operation's name in it, which generated clients use. */
  tag: 'Auth' | 'Members' | 'Roles' | 'Policies' | 'Groups' | 'Positions' | 'Rooms' | 'Jobs' | 'Documents';
  operationId: string;
  summary: string;
  description?: string;
  /** Unknown parameters and fields are refused, and of other headers those that set a condition. */
  params?: P;
  /** Of the path's parameters those that are no IDs, but made up by clients: what breaks their rule is told with the field. */
  fieldsInPath?: readonly (keyof P & string)[];
  query?: Q;
  headers?: H;
  /** The cookies that it understands. One that is no good is as good as none, so they are declared only to be documented. */
  cookies?: Shape;
  body?: B;
  /** Of a route whose body may be larger than others. */
  bodyLimit?: BodyLimit;
  /** The field by which only the body says what the request is about: of who has a good token it is then read before Auth is asked. */
  namedInBody?: string;
  responses: R;
  /** The problems that this route adds to those that follow from what it takes (`declaredProblems`). */
  problems?: readonly ProblemCode[];
  handle(call: Call<P, Q, B, H, L>, gateway: RequestGateway): Promise<Answer<R>>;
}

/** A declared route of any types. */
export type Route = Omit<
  Declaration<Shape, Shape, z.ZodType, Shape, Responses, unknown>,
  'handle' | 'params' | 'query' | 'headers' | 'cookies'
> & {
  params: z.ZodObject;
  query: z.ZodObject;
  headers: z.ZodObject;
  cookies: z.ZodObject;
  /** Of a command: its name, which its jobs have. */
  command?: string;
  handle(call: Call, gateway: RequestGateway): Promise<Answer>;
} & (Access<Shape, unknown> | PublicAccess);

/** What a query whose answer has an `ETag` also understands and answers. */
const REVALIDATED = { description: 'The copy that `If-None-Match` names is still good', headers: { ETag: 'Of the copy' } };

/** Declares a route. Throws when it says neither who may use it nor that everybody may, or leaves a path parameter undeclared. */
export function route<
  R extends Responses,
  P extends Shape = Record<never, never>,
  Q extends Shape = Record<never, never>,
  B extends z.ZodType = z.ZodUndefined,
  H extends Shape = Record<never, never>,
  L = undefined,
>(declaration: Declaration<P, Q, B, H, R, L> & (Access<P, L> | PublicAccess)): Route {
  const { method, path, action, params } = declaration;
  if ((action === undefined) === (declaration.public !== true))
    throw new Error(`${method} ${path} names no action and is not public`);
  const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
  if (
    named.sort().join() !==
    Object.keys(params ?? {})
      .sort()
      .join()
  )
    throw new Error(`${method} ${path} does not declare its path parameters`);
  const tagged = method === 'GET' && declaration.responses[200]?.headers?.ETag !== undefined;
  return {
    ...declaration,
    responses: { ...declaration.responses, ...(tagged ? { 304: REVALIDATED } : {}) },
    params: z.strictObject(params ?? {}),
    query: z.strictObject(declaration.query ?? {}),
    headers: z.strictObject({ ...declaration.headers, ...(tagged ? { 'If-None-Match': ifNoneMatch } : {}) }),
    cookies: z.object(declaration.cookies ?? {}),
    // What `handle` and `resource` are called with has passed the schemas they were typed by.
  } as unknown as Route;
}

/** Where a request of this route has the field that a service names: its message knows nothing of paths and headers. */
export function locate(
  { params, query, headers }: Pick<Route, 'params' | 'query' | 'headers'>,
  field: string,
): { in: FieldPlace; field: string } {
  const [top = ''] = field.split(/[.[]/, 1);
  if (Object.hasOwn(params.shape, top)) return { in: 'path', field };
  if (Object.hasOwn(query.shape, top)) return { in: 'query', field };
  // `idempotencyKey` is `Idempotency-Key`.
  const plain = (name: string): string => name.replaceAll('-', '').toLowerCase();
  const header = Object.keys(headers.shape).find((name) => plain(name) === plain(top));
  return header === undefined ? { in: 'body', field } : { in: 'header', field: header };
}
