import type { z } from 'zod';
import type { ProblemCode } from '#platform/problems.ts';
import { newId } from '#platform/validation/id.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Job } from '#proto/musubi/job/v1/job.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Gateway, RequestGateway } from '../gateway.ts';
import type { BodyLimit } from '../http/body.ts';
import { expectedVersion, ifMatch } from '../http/etag.ts';
import {
  type Answer,
  type Call,
  type Hidden,
  type Resource,
  type ResponseDeclaration,
  type Route,
  route,
} from '../http/route.ts';
import { accepted, carryOut, commandHeaders, commandProblems } from './carry-out.ts';
import { fingerprint } from './fingerprint.ts';

type Shape = z.ZodRawShape;
type Input<S extends Shape> = z.output<z.ZodObject<S>>;

/** What a command's saga is made its input from. */
interface Given<P extends Shape, Q extends Shape, B extends z.ZodType, Prepared> {
  /** The aggregate that the job is of. */
  id: string;
  params: Input<P>;
  query: Input<Q>;
  /** Without its secrets. */
  body: z.output<B>;
  /** The version that the client saw (`If-Match`); absent: any. */
  version: { expectedVersion?: number };
  /** The member that asks for it, and the session in which it does. */
  byMemberId: string;
  bySessionId: string;
  prepared: Prepared;
}

/** Who is answered. */
export type Reader = Pick<Call, 'accessToken' | 'ctx'>;

/** A command as data: headers, conditions, 202, idempotency, the usual problems and the OpenAPI document follow. */
interface CommandDeclaration<
  C extends CommandName,
  P extends Shape,
  Q extends Shape,
  B extends z.ZodType,
  R extends Record<number, ResponseDeclaration>,
  Prepared,
> {
  /** The command, which is also its saga's workflow. */
  command: C;
  /** The action that it is authorised by. Default: the one of its name. */
  action?: Action;
  /** The action in its place, of who does it to itself: who is the member of the path. */
  selfAction?: Action;
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  tag: 'Auth' | 'Members' | 'Roles' | 'Policies' | 'Groups' | 'Positions' | 'Rooms' | 'Jobs';
  operationId: string;
  summary: string;
  description?: string;
  /** What it is done to. @param body only where that is `namedInBody` */
  resource(params: Input<P>, body: z.output<B>): Resource;
  /** As a route declares it. */
  namedInBody?: keyof z.output<B> & string;
  params?: P;
  /** As a route declares them. */
  fieldsInPath?: readonly (keyof P & string)[];
  query?: Q;
  body?: B;
  /** As a route declares it. */
  bodyLimit?: BodyLimit;
  /** As a route declares them. */
  hiddenAs?: Hidden['hiddenAs'];
  readBy?: Hidden['readBy'];
  /** Fields of the body that are in no fingerprint and no saga: only `prepare` sees them. */
  secrets?: readonly (keyof z.output<B> & string)[];
  /** As a route declares them. */
  cookies?: Shape;
  /** Whether `If-Match` is understood. */
  conditional?: boolean;
  /** What it changes; default: something new. @param byMemberId the member that asks for it */
  aggregateId?(params: Input<P>, byMemberId: string, body: z.output<B>): string;
  /** As how many commands it counts among those that a member may send over time. Default: as one. */
  cost?(body: z.output<B>): number;
  /** Whether there is anything to prepare. Default: there is. */
  prepares?(body: z.output<B>): boolean;
  /** What must be done before a job is issued, and may be costly: it is not done for a repeat. */
  prepare?(
    body: z.output<B>,
    gateway: Gateway | RequestGateway,
    call: Pick<Call<P>, 'accessToken' | 'ctx' | 'params'>,
  ): Promise<Prepared>;
  /** The saga's input. It stays in the workflow's history: no secrets. */
  input(given: Given<P, Q, B, NoInfer<Prepared>>): CommandInput<C>;
  /** One line for operators: IDs, and nothing personal. */
  about(given: Pick<Given<P, Q, B, unknown>, 'params' | 'body'>): string;
  /** What the finished command may be answered with. */
  responses: R;
  /**
   * The answer of the finished command, whose aggregate is `id`, to its reader. That may come long after what allowed the command (a repeat of its
   * key), so what is read for it is read by what the reader may read now. What it is refused is told by the job: 202.
   */
  answer(id: string, gateway: RequestGateway, reader: Reader, params: Input<P>, job: Job): Promise<Answer<R>>;
  /** The codes that it adds to those of every command. */
  problems: readonly ProblemCode[];
}

/** Declares a command's route. It names its action where that has another name. */
export function commandRoute<
  C extends CommandName,
  R extends Record<number, ResponseDeclaration>,
  P extends Shape = Record<never, never>,
  Q extends Shape = Record<never, never>,
  B extends z.ZodType = z.ZodUndefined,
  Prepared = undefined,
>(declaration: CommandDeclaration<C, P, Q, B, R, Prepared> & (C extends Action ? unknown : { action: Action })): Route {
  const { command, method, aggregateId = () => newId(), conditional, secrets = [], input, about } = declaration;
  const { cost, prepare, prepares = () => true } = declaration;
  const { resource, answer, problems, responses, ...rest } = declaration;
  const handle = async (call: Call, gateway: RequestGateway) => {
    const {
      params,
      query,
      body: whole,
      headers,
    } = call as unknown as Call<P, Q, B> & { headers: Record<string, string | undefined> };
    const condition = headers['If-Match'];
    const version = expectedVersion(condition);
    const body = without(whole, secrets);
    const { memberId, sessionId } = call.principal;
    return await carryOut(
      call,
      gateway,
      {
        command,
        aggregateId: aggregateId(params, memberId, body),
        fingerprint: fingerprint({ method, path: pathOf(declaration.path, params), query, condition, body }),
        cost: cost?.(body),
        prepare:
          prepare && prepares(whole)
            ? async (asking) => (await prepare(whole, asking, { ...call, params })) as Prepared
            : undefined,
        input: (id, prepared: Prepared) =>
          input({
            id,
            params,
            query,
            body,
            version: version === undefined ? {} : { expectedVersion: version },
            byMemberId: memberId,
            bySessionId: sessionId,
            prepared,
          }),
        summary: about({ params, body }),
      },
      (job) => answer(job.aggregateId, gateway, call, params, job),
    );
  };
  const declared = route({
    ...rest,
    action: declaration.action ?? (command as Action),
    begins: true,
    resource: ({ params, body }: { params: unknown; body?: unknown }) => resource(params as Input<P>, body as z.output<B>),
    headers: { ...commandHeaders, ...(conditional ? { 'If-Match': ifMatch } : {}) },
    responses: { ...responses, 202: accepted },
    problems: [...commandProblems, ...(conditional ? (['VERSION_MISMATCH'] as const) : []), ...problems],
    handle: handle as never,
  });
  return { ...declared, command };
}

function without<B>(body: B, secrets: readonly string[]): B {
  if (secrets.length === 0 || typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).filter(([name]) => !secrets.includes(name))) as B;
}

/** The path with its parameters as they are kept: an ID has one form, however it was written. */
const pathOf = (template: string, params: Record<string, unknown>): string =>
  template.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(params[name]));
