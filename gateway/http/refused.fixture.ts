import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { type Answer, ownContract, send } from '../client.fixture.ts';
import type { World } from '../gateway.fixture.ts';
import { problemSchema } from './problem.ts';
import type { Route } from './route.ts';

// Requests that are not as they should be, and what is said of them.

export const taro = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };

/** A path of the route, which may do what it says: its IDs are the test's own member's, or of a job of it. */
export function pathOf(route: Route, { hanaId: memberId, sessionId }: World, jobId = ''): string {
  const named = ['holdId', 'roleId', 'policyId', 'groupId', 'positionId', 'roomId', 'messageId'].map((name) => [name, memberId]);
  const ids: Record<string, string> = { jobId, memberId, sessionId, emoji: '%F0%9F%91%8D', ...Object.fromEntries(named) };
  return route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'x');
}

/** A job that is not done yet, so that it can be read and cancelled. */
export async function runningJob(world: World): Promise<string> {
  const body = { ...taro, loginId: 'running' };
  world.next = 'running';
  const accepted = await send(world, 'POST', '/v1/members', { token: world.admin, body });
  world.next = 'completed';
  return accepted.body.jobId;
}

/** A request whose headers are sent line by line, as given. */
export async function sendLines(
  world: World,
  method: string,
  path: string,
  lines: [string, string][],
  body?: string,
): Promise<Answer> {
  const all: [string, string][] = [['Host', 'x'], ...lines];
  if (body !== undefined) all.push(['Content-Length', String(Buffer.byteLength(body))]);
  const sent = request(world.base + path, { method, headers: all.flat() as unknown as NodeJS.Dict<string> });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const answer = {
    status: response.statusCode ?? 0,
    headers: new Headers(response.headers as Record<string, string>),
    body: JSON.parse((await text(response)) || '""'),
  };
  ownContract().check(method, path, answer);
  return answer;
}

export const token = (world: World): [string, string] => ['Authorization', `Bearer ${world.admin}`];
export const JSON_LINE: [string, string] = ['Content-Type', 'application/json'];

export interface Wrong {
  in: string;
  field: string;
  code: string;
}
export function isRefused(t: ExecutionContext<World>, answer: Answer, wrong: Wrong, name: string): void {
  t.is(answer.status, 400, `${name}: ${JSON.stringify(answer.body)}`);
  const { errors } = problemSchema.parse(answer.body);
  t.true(
    errors.some((error) => error.in === wrong.in && error.field === wrong.field && error.code === wrong.code),
    `${name}: ${JSON.stringify(errors)}`,
  );
}
