import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPositionId } from '../../services/position/domain.ts';
import { type Answer, type Client, login, type Registered, register, unique } from '../client.ts';
import type { Ended } from './explain.ts';
import type { Command } from './model.ts';

/** What a job ends with where a service was away for longer than it tries, or others were at the same thing: nothing has happened. */
const AWAY = new Set(['GROUP_BUSY', 'MEMBERSHIP_BUSY', 'POSITION_BUSY', 'MEMBER_BUSY', 'STORE_UNAVAILABLE', 'STORE_CONFLICT']);
/** How often a command that was not answered is sent again, and after how long. */
const TRIES = 120;
const PAUSE_MS = 500;

/** A member with a client of its own. */
export interface Actor extends Registered {
  isAdmin: boolean;
  client: Client;
}

/** @param admins how many of them are administrators */
export async function actors(as: Client, count: number, admins: number): Promise<Actor[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, at): Promise<Actor> => {
      const registered = await register(as, 'actor');
      const isAdmin = at < admins;
      if (isAdmin) await as.put(`/v1/members/${registered.memberId}/roles/admin`, undefined, { prefer: 'wait=30' });
      return { ...registered, isAdmin, client: await login(registered.loginId, registered.password) };
    }),
  );
}

/** Access tokens last five minutes. */
export const renew = (all: readonly Actor[]): Promise<unknown> =>
  Promise.all(
    all.map(async ({ client, loginId, password }) => Object.assign(client, { token: (await login(loginId, password)).token })),
  );

/** Has somebody do what a command says, and waits until it has ended. */
export async function carryOut(actor: Actor, command: Command): Promise<Ended> {
  const key = { 'idempotency-key': unique('key'), prefer: 'wait=30' };
  const { client } = actor;
  for (let tries = 0; tries < TRIES; tries++) {
    // Whoever is not answered asks again with the same key: it is one command all the same.
    const answer = await ask(client, command, key).catch(() => undefined);
    if (!answer || answer.status === 429 || (answer.status >= 500 && !answer.body?.jobId)) {
      await sleep(PAUSE_MS);
      continue;
    }
    if (answer.status === 202) return ended(command, await client.finished(answer.body.jobId, 300));
    if (answer.status < 300) return done(command, answer.body?.id);
    return refused(command, answer.body.code);
  }
  throw new Error(`never answered: ${JSON.stringify(command)}`);
}

const refused = (command: Command, code: string): Ended => ({
  command,
  end: AWAY.has(code) || code === 'SERVICE_UNAVAILABLE' ? 'away' : code,
});
const ended = (command: Command, job: { state: string; error?: { code: string }; result?: { id: string } }): Ended =>
  job.state === 'completed' ? done(command, job.result?.id) : refused(command, job.error?.code ?? job.state);

/** Who makes something learns its ID now. */
function done(command: Command, id = ''): Ended {
  if (command.kind === 'create')
    return { command: { ...command, id, leaderPositionId: defaultPositionId(id, 'leader') }, end: 'done' };
  return { command: command.kind === 'define' ? { ...command, id } : command, end: 'done' };
}

function ask(client: Client, command: Command, headers: Record<string, string>): Promise<Answer> {
  const { kind } = command;
  if (kind === 'create') {
    const { parentId, name, visibility } = command;
    return client.post('/v1/groups', { parentId, name, visibility }, headers);
  }
  const group = `/v1/groups/${command.groupId}`;
  switch (kind) {
    case 'rename':
      return client.patch(group, { name: command.name }, headers);
    case 'show':
      return client.patch(group, { visibility: command.visibility }, headers);
    case 'move':
      return client.post(`${group}:move`, { parentId: command.parentId }, headers);
    case 'archive':
    case 'restore':
      return client.post(`${group}:${kind}`, undefined, headers);
    case 'delete':
      return client.delete(`${group}${command.cascade ? '?cascade=true' : ''}`, headers);
    case 'join':
    case 'add':
      return client.put(`${group}/members/${command.memberId}`, undefined, headers);
    case 'leave':
      return client.delete(`${group}/members/${command.memberId}`, headers);
    case 'expel':
      return client.post(`${group}/members/${command.memberId}:expel`, { reason: 'by the model' }, headers);
    case 'define':
      return client.post(`${group}/positions`, { name: command.name, permissions: grants(command.permissions) }, headers);
    case 'redefine': {
      const permissions = grants(command.permissions);
      return client.patch(`${group}/positions/${command.positionId}`, { permissions }, headers);
    }
    case 'abolish':
      return client.delete(`${group}/positions/${command.positionId}`, headers);
    case 'bind':
    case 'unbind': {
      const path = `${group}/positions/${command.positionId}/members/${command.memberId}`;
      return kind === 'bind' ? client.put(path, undefined, headers) : client.delete(path, headers);
    }
  }
}

const grants = (text: string): { action: string; reach: string }[] =>
  text.split(',').flatMap((one) => {
    const [action, reach] = one.split(' ');
    return action && reach ? [{ action, reach }] : [];
  });
