import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { defaultPositionId } from '../../services/position/domain.ts';
import { type Answer, type Client, isAtTheDoor, login, type Registered, register, unique } from '../client.ts';
import type { Ended } from './explain.ts';
import type { Command } from './model.ts';

/** What a job ends with where a service was away for longer than it tries, or others were at the same thing: nothing has happened. */
const AWAY = new Set([
  'GROUP_BUSY',
  'MEMBERSHIP_BUSY',
  'POSITION_BUSY',
  'MEMBER_BUSY',
  'STORE_UNAVAILABLE',
  'STORE_CONFLICT',
  'SERVICE_UNAVAILABLE',
]);
/** How often a command that was not answered is sent again, and after how long: what was killed starts slowly on a busy machine. */
const TRIES = 400;
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

/** As far as Auth answers just then. */
export const renew = (all: readonly Pick<Actor, 'client' | 'loginId' | 'password'>[]): Promise<unknown> =>
  Promise.allSettled(
    all.map(async ({ client, loginId, password }) => Object.assign(client, { token: (await login(loginId, password)).token })),
  );

/** Has somebody do what a command says, and waits until it has ended. @returns how: where it is about many, of each of them */
export async function carryOut(actor: Actor, command: Command): Promise<Ended[]> {
  const key = { 'idempotency-key': unique('key'), prefer: 'wait=30' };
  const { client } = actor;
  // Whoever is not answered asks again with the same key: it is one command all the same.
  const { answer, isRepeated } = await answered(command, () => ask(client, command, key));
  const { status, body } = answer;
  const one =
    status === 202
      ? ended(command, await client.finished(body.jobId, 300))
      : status < 300
        ? done(command, body?.id)
        : isRepeated && isAtTheDoor(answer)
          ? { command, end: 'unsure' }
          : refused(command, body.code);
  return command.kind === 'add-all' && one.end === 'done' ? await eachOf(client, command, body.jobId) : [one];
}

/** Whether it is a job's end: that is answered however often it is asked for. */
const isOfJob = ({ body }: Answer): boolean => body?.jobId !== undefined || body?.instance?.startsWith('/v1/jobs/');

/** What is answered, once something is; and whether an answer was lacking before, so that what is asked for may have been done. */
async function answered(command: Command, ask: () => Promise<Answer>): Promise<{ answer: Answer; isRepeated: boolean }> {
  let last: Answer | Error | undefined;
  let isRepeated = false;
  for (let tries = 0; tries < TRIES; tries++) {
    const answer = await ask().catch((error: Error) => error);
    // A token that has run out just now is renewed soon.
    if (!(answer instanceof Error) && answer.status !== 429 && answer.status !== 401 && (answer.status < 500 || isOfJob(answer)))
      return { answer, isRepeated };
    isRepeated ||= answer instanceof Error || answer.status >= 500;
    last = answer;
    await sleep(PAUSE_MS);
  }
  throw new Error(`never answered: ${JSON.stringify(command)}: ${inspect(last)}`);
}

/** Of a command that adds many: how it ended for each. */
async function eachOf(client: Client, command: Command & { kind: 'add-all' }, jobId: string): Promise<Ended[]> {
  const { answer } = await answered(command, () => client.get(`/v1/jobs/${jobId}/lines`));
  const ends: Record<string, string> = { added: 'done', already: 'ALREADY_MEMBER' };
  return answer.body.items.map(
    ({ memberId, outcome, error }: { memberId: string; outcome: string; error?: { code: string } }): Ended => {
      const { by, isAdmin, groupId, leaderPositionId } = command;
      return {
        command: { by, isAdmin, kind: 'add', groupId, memberId, leaderPositionId },
        end: ends[outcome] ?? error?.code ?? outcome,
      };
    },
  );
}

/** Also of what came so late that what it asks for was over. */
const isAway = (command: Command, code: string): boolean =>
  AWAY.has(code) || (code === 'INVALID_ARGUMENT' && 'until' in command && Date.parse(command.until) <= Date.now());
const refused = (command: Command, code: string): Ended => ({ command, end: isAway(command, code) ? 'away' : code });
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
    case 'add-all':
      return client.post(`${group}/members:add`, { memberIds: command.memberIds }, headers);
    case 'leave':
      return client.delete(`${group}/members/${command.memberId}`, headers);
    case 'expel':
      return client.post(`${group}/members/${command.memberId}:expel`, { reason: 'by the model' }, headers);
    case 'request':
      return client.post(`${group}/join-requests`, { message: 'of the model' }, headers);
    case 'approve':
      return client.post(`${group}/join-requests/${command.memberId}:approve`, undefined, headers);
    case 'decline-request':
      return client.post(`${group}/join-requests/${command.memberId}:decline`, { reason: 'by the model' }, headers);
    case 'withdraw-request':
      return client.delete(`${group}/join-requests/${command.memberId}`, headers);
    case 'invite':
      return client.post(`${group}/invitations`, { memberId: command.memberId, expiresAt: command.until }, headers);
    case 'accept':
      return client.post(`${group}/invitations/${command.memberId}:accept`, undefined, headers);
    case 'decline-invitation':
      return client.post(`${group}/invitations/${command.memberId}:decline`, undefined, headers);
    case 'withdraw-invitation':
      return client.delete(`${group}/invitations/${command.memberId}`, headers);
    case 'put-tag':
      return client.put(tagPath(group, command.tag), undefined, headers);
    case 'remove-tag':
      return client.delete(tagPath(group, command.tag), headers);
    case 'rename-tag':
      return client.post(`${tagPath(group, command.tag)}:rename`, { name: command.name, merge: command.merges }, headers);
    case 'tag-group':
      return client.put(`${tagPath(group, command.tag)}/groups/${command.subgroupId}`, undefined, headers);
    case 'untag-group':
      return client.delete(`${tagPath(group, command.tag)}/groups/${command.subgroupId}`, headers);
    case 'tag-member':
      return client.put(`${tagPath(group, command.tag)}/members/${command.memberId}`, undefined, headers);
    case 'untag-member':
      return client.delete(`${tagPath(group, command.tag)}/members/${command.memberId}`, headers);
    case 'define':
      return client.post(`${group}/positions`, { name: command.name, permissions: grants(command.permissions) }, headers);
    case 'redefine': {
      const permissions = grants(command.permissions);
      return client.patch(`${group}/positions/${command.positionId}`, { permissions }, headers);
    }
    case 'abolish':
      return client.delete(`${group}/positions/${command.positionId}`, headers);
    case 'bind':
      return client.put(bindingPath(group, command), command.until === '' ? undefined : { until: command.until }, headers);
    case 'unbind':
      return client.delete(bindingPath(group, command), headers);
    case 'expire':
    case 'end-term':
      throw new Error('time does that');
  }
}

const tagPath = (group: string, tag: string): string => `${group}/tags/${encodeURIComponent(tag)}`;
const bindingPath = (group: string, { positionId, memberId }: { positionId: string; memberId: string }): string =>
  `${group}/positions/${positionId}/members/${memberId}`;

const grants = (text: string): { action: string; reach: string }[] =>
  text.split(',').flatMap((one) => {
    const [action, reach] = one.split(' ');
    return action && reach ? [{ action, reach }] : [];
  });
