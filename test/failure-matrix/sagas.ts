import { randomBytes } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import * as workflows from '../../workflows/sagas.ts';
import type { everyPeer } from '../callers.ts';
import { groupWays } from './groups.ts';
import { membershipWays } from './memberships.ts';
import { positionWays } from './positions.ts';
import { ROOM_WAYS } from './rooms.ts';
import { tagWays } from './tags.ts';
import { tiedWays } from './tied-members.ts';

/** One run of a saga on an aggregate of its own. */
export interface Case {
  command: CommandName;
  input: CommandInput<CommandName>;
  /** What the run's rows and documents are found by; their names stand for them when two runs are compared. */
  ids: Record<string, string>;
  aggregateId: string;
  /** Lets another job take the aggregate just before the saga starts. @returns what that job ends with: nothing is changed */
  occupy?(): Promise<() => Promise<unknown>>;
  /** Lines of a snapshot that other jobs may change meanwhile: where this one is undone they are not compared. */
  ofOthers?: RegExp;
}

/** What a case is made with: the services, and a way to run another case undisturbed, as its ground. */
export interface Context {
  peers: ReturnType<typeof everyPeer>;
  run(made: Case): Promise<{ jobId: string }>;
}

/** What of a snapshot is as before where the case was undone. */
export const comparedOf = ({ ofOthers }: Case, lines: readonly string[]): string[] =>
  lines.filter((line) => !ofOthers?.test(line));

/** A way in which a saga can go. */
export interface Way {
  /** A fresh case, on an aggregate of its own. */
  make(context: Context): Promise<Case>;
  /** It is tried by `npm run matrix` only, as another way has the same steps. */
  onlyInWhole?: true;
}

const PASSWORD = 'correct horse battery';
const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;

async function register({ peers }: Context): Promise<Case> {
  const memberId = newId();
  const loginId = name();
  const { passwordRef } = await peers.auth.stagePassword({ password: PASSWORD });
  return {
    command: 'member.register',
    input: { memberId, loginId, displayName: `name of ${loginId}`, email: `${loginId}@example.com`, passwordRef },
    ids: { memberId, loginId },
    aggregateId: memberId,
  };
}

/** A registered member's IDs. */
async function existing(context: Context): Promise<Record<string, string> & { memberId: string }> {
  const made = await register(context);
  await context.run(made);
  return { ...made.ids, memberId: made.aggregateId };
}

/** A registered member that is not in the whole organisation. */
async function outside(context: Context): Promise<Record<string, string> & { memberId: string }> {
  const made = await register(context);
  const { jobId } = await context.run(made);
  await context.peers.group.undo({ operationId: `${jobId}/group.enterOrganisation` });
  return { ...made.ids, memberId: made.aggregateId };
}

async function remove(context: Context): Promise<Case> {
  const ids = await existing(context);
  return { command: 'member.delete', input: { memberId: ids.memberId }, ids, aggregateId: ids.memberId };
}

/** A session of a member. */
const login = ({ peers }: Context, { loginId = '' }: Record<string, string>) =>
  peers.auth.login({ loginId, password: PASSWORD, userAgent: '', source: '192.0.2.1', deviceCookie: '' });

/** A member with a session. */
async function suspend(context: Context): Promise<Case> {
  const ids = await existing(context);
  await login(context, ids);
  const input = { memberId: ids.memberId, byMemberId: newId(), reason: 'on leave' };
  return { command: 'member.suspend', input, ids, aggregateId: ids.memberId };
}

/** A member with two sessions, of which one ends. */
async function changePassword(context: Context): Promise<Case> {
  const { auth } = context.peers;
  const ids = await existing(context);
  await login(context, ids);
  const { accessToken } = await login(context, ids);
  const { memberId, sessionId } = await auth.authenticate({ accessToken });
  const passwords = { currentPassword: PASSWORD, newPassword: `${PASSWORD}, and another` };
  const { passwordRef } = await auth.stagePasswordChange({ accessToken, ...passwords, source: '192.0.2.1', deviceCookie: '' });
  const input = { memberId, sessionId, passwordRef, endOtherSessions: true };
  return { command: 'auth.change-password', input, ids: { ...ids, sessionId }, aggregateId: memberId };
}

async function reinstate(context: Context): Promise<Case> {
  const made = await suspend(context);
  await context.run(made);
  return { ...made, command: 'member.reinstate', input: { memberId: made.aggregateId } };
}

/** A case of a command. @param aggregateId default: the role's, or else the policy's */
function of<C extends CommandName>(
  command: C,
  input: CommandInput<C>,
  ids: Record<string, string>,
  aggregateId = ids.roleId ?? ids.policyId ?? '',
): Case {
  return { command, input, ids, aggregateId };
}

function roleCase(): Case {
  const ids = { roleId: newId(), roleName: name() };
  return of('role.create', { roleId: ids.roleId, name: ids.roleName, description: 'of the matrix' }, ids);
}

async function madeRole(context: Context): Promise<Record<string, string> & { roleId: string }> {
  const made = roleCase();
  await context.run(made);
  return { ...made.ids, roleId: made.aggregateId };
}

function policyCase(): Case {
  const ids = { policyId: newId(), policyName: name() };
  const simple = { effect: 'EFFECT_ALLOW' as const, actions: ['member.read'], resources: ['*'] };
  return of('policy.create', { policyId: ids.policyId, name: ids.policyName, simple }, ids);
}

/** A policy that a role is to carry. */
async function attachCase(context: Context): Promise<Case> {
  const role = await madeRole(context);
  const made = policyCase();
  await context.run(made);
  const { aggregateId: policyId, ids } = made;
  return of('role.attach-policy', { roleId: role.roleId, policyId }, { ...role, ...ids }, role.roleId);
}

/** A member that is to hold a role. */
async function assignCase(context: Context): Promise<Case> {
  const role = await madeRole(context);
  const ids = await existing(context);
  return of('role.assign', { memberId: ids.memberId, roleId: role.roleId }, { ...ids, ...role }, ids.memberId);
}

/** A schema of its own: members are held to another one. */
async function setSchema({ run }: Context): Promise<Case> {
  const schemaId = newId();
  const setTo = (most: number): Case => {
    const schema = { type: 'object', properties: { team: { type: 'string', maxLength: most } } };
    return { command: 'member.set-schema', input: { schemaId, schema }, ids: { schemaId }, aggregateId: schemaId };
  };
  await run(setTo(1));
  return setTo(2);
}

/** Frees a name that a member gave up. */
async function releaseLogin(context: Context): Promise<Case> {
  const renamed = await rename(context);
  await context.run(renamed);
  const { loginId = '' } = renamed.ids;
  const { heldLogins } = await context.peers.auth.listHeldLogins({ loginId, pageSize: 1, pageToken: '' });
  const holdId = heldLogins[0]?.holdId ?? '';
  return { command: 'member.release-login', input: { holdId }, ids: { ...renamed.ids, holdId }, aggregateId: holdId };
}

async function rename(context: Context): Promise<Case> {
  const ids = await existing(context);
  const newLogin = name();
  const input = { memberId: ids.memberId, changes: { loginId: newLogin, displayName: `changed ${newLogin}` } };
  return { command: 'member.update', input, ids: { ...ids, newLogin }, aggregateId: ids.memberId };
}

/** The same case, while another job is at the member. */
const occupied = (make: Way['make']): Way['make'] => {
  return async (context) => {
    const { member } = context.peers;
    const made = await make(context);
    const operationId = `${newId()}/beginUpdate`;
    const occupy = async () => {
      await member.beginUpdate({ operationId, memberId: made.aggregateId, changes: { displayName: 'held' } });
      return () => member.undo({ operationId });
    };
    return { ...made, occupy };
  };
};

const SAGAS = new Map(Object.entries(workflows));

/** Of the calls of a run the pivot: the first of those that the saga declares as one. */
export function pivotOf(command: CommandName, calls: readonly string[]): string {
  const { pivots = [] } = SAGAS.get(command) ?? {};
  return calls.find((call) => pivots.includes(call)) ?? '';
}

/** Every saga in every way it can go. A new saga is an entry here, and every fault is tried on its every step. */
export const WAYS: Record<CommandName, Way> & Record<string, Way> = {
  'member.register': { make: register },
  'member.update': { make: rename },
  'member.update without its login': {
    make: async (context) => {
      const ids = await existing(context);
      const input = { memberId: ids.memberId, changes: { displayName: 'changed, and nothing else' } };
      return { command: 'member.update', input, ids, aggregateId: ids.memberId };
    },
  },
  'member.delete': { make: remove },
  'member.delete while another job holds the member': { make: occupied(remove) },
  'auth.change-password': { make: changePassword },
  'member.suspend': { make: suspend },
  'member.suspend while another job holds the member': { make: occupied(suspend) },
  'member.reinstate': { make: reinstate },
  'role.create': { make: async () => roleCase() },
  'role.update': {
    make: async (context) => {
      const { roleId, ...ids } = await madeRole(context);
      const newName = name();
      return of('role.update', { roleId, changes: { name: newName } }, { roleId, ...ids, newName });
    },
  },
  'role.delete': {
    make: async (context) => {
      const assigned = await assignCase(context);
      await context.run(assigned);
      const { roleId = '' } = assigned.ids;
      return of('role.delete', { roleId }, assigned.ids, roleId);
    },
  },
  'role.attach-policy': { make: attachCase },
  'role.detach-policy': {
    make: async (context) => {
      const attached = await attachCase(context);
      await context.run(attached);
      return { ...attached, command: 'role.detach-policy' };
    },
  },
  'role.assign': { make: assignCase },
  'role.revoke': {
    make: async (context) => {
      const assigned = await assignCase(context);
      await context.run(assigned);
      return { ...assigned, command: 'role.revoke' };
    },
  },
  'policy.create': { make: async () => policyCase() },
  'policy.update': {
    make: async (context) => {
      const attached = await attachCase(context);
      await context.run(attached);
      const { policyId = '' } = attached.ids;
      const simple = { effect: 'EFFECT_DENY' as const, actions: ['member.list'], resources: ['*'] };
      return of('policy.update', { policyId, changes: { simple } }, attached.ids, policyId);
    },
  },
  'policy.delete': {
    make: async (context) => {
      const made = policyCase();
      await context.run(made);
      return { ...made, command: 'policy.delete', input: { policyId: made.aggregateId } };
    },
  },
  ...positionWays(existing),
  ...groupWays(existing),
  ...membershipWays(existing, outside),
  ...tagWays(existing),
  ...tiedWays(existing, login),
  ...ROOM_WAYS,
  'member.set-schema': { make: setSchema },
  'member.release-login': { make: releaseLogin },
};
