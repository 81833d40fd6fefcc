import { randomUUID } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { type Client, login, register, unique } from '../client.ts';
import { type Frame, Socket } from '../socket.ts';

// Members who make groups, and follow them on sockets.

export const wait = { prefer: 'wait=30' };
export const topicOf = (groupId: string): string => `group:${groupId}`;
const OF_GROUPS = new Set(['group', 'membership', 'position', 'bindings', 'candidate']);
export const saidTo = (socket: Socket): Frame[] => socket.frames.filter(({ type }) => OF_GROUPS.has(type));

export interface Someone {
  memberId: string;
  client: Client;
}

export async function someone(as: Client): Promise<Someone> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

/** @returns the ID of what was made */
export async function done(t: ExecutionContext, answer: Promise<{ status: number; body: any }>): Promise<string> {
  const { status, body } = await answer;
  t.true(status < 300 && status !== 202, `${status} ${JSON.stringify(body)}`);
  return body?.id;
}

export const make = (t: ExecutionContext, { client }: Someone, body: object = {}): Promise<string> =>
  done(t, client.post('/v1/groups', { name: unique('Group'), ...body }, wait));
export const rename = (t: ExecutionContext, { client }: Someone, groupId: string): Promise<string> =>
  done(t, client.patch(`/v1/groups/${groupId}`, { name: unique('Renamed') }, wait));
export const member = (groupId: string, { memberId }: Someone): string => `/v1/groups/${groupId}/members/${memberId}`;

/** A socket that follows a group. @param url of its node */
export async function follow(t: ExecutionContext, { client }: Someone, groupId: string, url?: string): Promise<Socket> {
  const socket = await Socket.open(client.token, url);
  socket.send({ type: 'subscribe', topics: [topicOf(groupId)] });
  t.deepEqual((await socket.frame(({ type }) => type === 'subscribed')).topics, [topicOf(groupId)]);
  return socket;
}

/** Everything that was sent before is here. */
export async function settled(socket: Socket): Promise<void> {
  const ref = randomUUID();
  socket.send({ type: 'ping', ref });
  await socket.frame((frame) => frame.type === 'pong' && frame.ref === ref);
}
