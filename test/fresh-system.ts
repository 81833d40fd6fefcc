import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failedPrecondition } from '#platform/errors.ts';
import { Caller, Callers, callerKeys, keyVariable, newCallerKeys } from '#platform/grpc/callers.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { addressVariable, connectPeers } from '#platform/grpc/peers.ts';
import { type Handlers, serveGrpc } from '#platform/grpc/server.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { Secret } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { GroupServiceService } from '#proto/musubi/group/v1/group.ts';
import { JobServiceService, JobState } from '#proto/musubi/job/v1/job.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { PositionServiceService } from '#proto/musubi/position/v1/position.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { CONTRACTS } from '../activities/index.ts';
import { openTestAuth } from '../services/auth/auth.fixture.ts';
import { authHandlers } from '../services/auth/grpc.ts';
import { CALLERS, SERVICES } from '../services/catalogue.ts';
import { groupHandlers } from '../services/group/grpc.ts';
import { openStore as openGroups } from '../services/group/store.ts';
import { listenForFinished } from '../services/job/finished.ts';
import { jobHandlers } from '../services/job/grpc.ts';
import { openTestJobs, RETENTION } from '../services/job/job.fixture.ts';
import { MAY_CALL } from '../services/may-call.ts';
import { memberHandlers } from '../services/member/grpc.ts';
import { openStore as openMembers } from '../services/member/store.ts';
import { positionHandlers } from '../services/position/grpc.ts';
import { openStore as openPositions } from '../services/position/store.ts';
import { roleHandlers } from '../services/role/grpc.ts';
import { openStore as openRoles } from '../services/role/store.ts';
import { hostWorkers } from '../worker/host.ts';
import { connectTellers } from '../worker/reconcile/states.ts';
import { freshNamespace } from './fresh-namespace.ts';
import { fromEnvironment, scratchDatabase } from './scratch-database.ts';

// `node main.ts bootstrap` as it is, on a system that is fresh for each test: the services over databases of their own,
// and a worker in a namespace of its own. Only Query is not there: nothing of this is about read models.

const tracing = startTelemetry('test', {});

export interface System {
  roles: Database;
  members: Database;
  groups: Database;
  /** The calls that the services were sent: `role.EnsureBuiltInRoles`. */
  calls: string[];
  /** What is done before a call is answered. It may refuse it, or hold it up. */
  before: Map<string, () => unknown>;
  commands: ReturnType<typeof hostWorkers>;
  /** Ends the worker, and has another one work on. */
  restartWorker(): Promise<void>;
  auth: ReturnType<typeof connectPeer<typeof AuthServiceService>>;
  job: ReturnType<typeof connectPeer<typeof JobServiceService>>;
  forgetJobs(): Promise<unknown>;
  run(env?: Record<string, string>): Run;
  close(): Promise<void>;
}

interface Run {
  child: ChildProcess;
  /** What it said in the end: its log's lines, and the others. */
  ended: Promise<{ code: number | null; log: string; lines: string[] }>;
}

export async function freshSystem(): Promise<System> {
  const postgres = scratchDatabase('bootstrap_roles');
  const members = scratchDatabase('bootstrap_members');
  const groups = scratchDatabase('bootstrap_groups');
  const positions = scratchDatabase('bootstrap_positions');
  const { lifecycle, log } = postgres;
  const auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  const jobs = await openTestJobs(process.env.MUSUBI_REDIS_URL);
  const roles = await openRoles(postgres);
  const [memberDb, groupDb] = [await openMembers(members), await openGroups(groups)];
  const at = { url: new Secret(fromEnvironment('MUSUBI_REDIS_URL')), log, lifecycle, prefix: jobs.prefix };
  const finished = await listenForFinished(at);
  const roleReads = { getRole: none, listRoles: none, getPolicy: none, listPolicies: none };
  const groupReads = { getGroup: none, listGroups: none, listSubgroups: none, listAncestors: none, listGroupMembers: none };
  const positionReads = { getPosition: none, listPositions: none };
  const roomReads = { getRoom: none, listRooms: none, listRoomMembers: none, listRoomMessages: none };
  const memberReads = { getMember: none, listMembers: none, listLookalikes: none, getMemberSchema: none };
  const candidateReads = { listCandidates: none, listCandidacies: none };
  const reads = { ...memberReads, ...roleReads, ...groupReads, ...positionReads, ...candidateReads, ...roomReads };
  const query: Handlers<QueryServiceService> = { ...reads, awaitVersions: async () => ({}) };

  const calls: string[] = [];
  const before: System['before'] = new Map();
  const observed = <H extends object>(handlers: H, service: string): H => {
    const wrapped = Object.entries(handlers).map(([name, handle]) => [
      name,
      async (...given: unknown[]) => {
        calls.push(`${service}.${name}`);
        await before.get(`${service}.${name}`)?.();
        return await handle(...given);
      },
    ]);
    return Object.fromEntries(wrapped) as H;
  };
  const keys = newCallerKeys(CALLERS);
  const serving = (service: string) => ({
    listen: { host: '127.0.0.1', port: 0 },
    callers: new Callers(service, callerKeys().parse(keys.MUSUBI_CALLERS), MAY_CALL),
    log,
    lifecycle,
  });
  const callerOf = (name: string): Caller => new Caller(name, keys[keyVariable(name)] ?? '');
  const address = async (port: Promise<number>): Promise<string> => `127.0.0.1:${await port}`;
  const handlers = jobHandlers({ store: jobs.store, finished, retention: RETENTION, log });
  const addresses = {
    ...keys,
    // Nobody is there, except those below.
    ...Object.fromEntries(Object.keys(SERVICES).map((name) => [addressVariable(name), '127.0.0.1:1'])),
    MUSUBI_MEMBER_ADDRESS: await address(
      serveGrpc(serving('member'), MemberServiceService, observed(memberHandlers(memberDb), 'member')),
    ),
    MUSUBI_GROUP_ADDRESS: await address(
      serveGrpc(serving('group'), GroupServiceService, observed(groupHandlers(groupDb), 'group')),
    ),
    MUSUBI_POSITION_ADDRESS: await address(
      serveGrpc(
        serving('position'),
        PositionServiceService,
        observed(positionHandlers(await openPositions(positions)), 'position'),
      ),
    ),
    MUSUBI_ROLE_ADDRESS: await address(serveGrpc(serving('role'), RoleServiceService, observed(roleHandlers(roles), 'role'))),
    MUSUBI_AUTH_ADDRESS: await address(
      serveGrpc(serving('auth'), AuthServiceService, observed(authHandlers(auth, auth.keys), 'auth')),
    ),
    MUSUBI_JOB_ADDRESS: await address(serveGrpc(serving('job'), JobServiceService, observed(handlers, 'job'))),
    MUSUBI_QUERY_ADDRESS: await address(serveGrpc(serving('query'), QueryServiceService, query)),
    MUSUBI_TEMPORAL_ADDRESS: fromEnvironment('MUSUBI_TEMPORAL_ADDRESS'),
    MUSUBI_TEMPORAL_NAMESPACE: await freshNamespace(log, 'bootstrap'),
  };
  const app = { config: addresses as unknown as Parameters<typeof hostWorkers>[0]['config'], log, lifecycle };
  const sagas = { config: app.config as never, lifecycle, caller: callerOf('sagas') };
  const called = { peers: connectPeers(CONTRACTS, sagas), tellers: connectTellers(sagas) };
  let working = new Lifecycle(log, 20_000);
  const host = () => hostWorkers({ ...app, lifecycle: working, tracing }, ['member'], called);
  const ready = async (): Promise<void> => {
    working.markStarted();
    while (Object.keys(await working.unready()).length > 0) await sleep(50);
  };
  const commands = host();
  await ready();
  const whoMay = (service: string) => (path: string) => callerOf([...(MAY_CALL.get(path) ?? [])][0] ?? '').token(service);
  lifecycle.markStarted();
  while (Object.keys(await lifecycle.unready()).length > 0) await sleep(50);

  const running = new Set<ChildProcess>();
  return {
    roles,
    members: memberDb,
    groups: groupDb,
    restartWorker: async () => {
      await working.stop('done');
      working = new Lifecycle(log, 20_000);
      host();
      await ready();
    },
    calls,
    before,
    commands,
    auth: connectPeer(addresses.MUSUBI_AUTH_ADDRESS, AuthServiceService, lifecycle, whoMay('auth')),
    job: connectPeer(addresses.MUSUBI_JOB_ADDRESS, JobServiceService, lifecycle, whoMay('job')),
    forgetJobs: async () => jobs.redis.del(await jobs.redis.keys(`${jobs.prefix}job:*`)),
    run: (env = {}) => {
      const given = Object.entries(process.env).filter(([name]) => !/^(MUSUBI_ADMIN_|OTEL_)/.test(name));
      const child = spawn(process.execPath, [join(import.meta.dirname, '../main.ts'), 'bootstrap'], {
        env: { ...Object.fromEntries(given), ...addresses, MUSUBI_OPS_LISTEN: '127.0.0.1:0', MUSUBI_LOG_LEVEL: 'trace', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      running.add(child);
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const ended = once(child, 'close').then(([code]: (number | null)[]) => {
        const all = output.split('\n').filter(Boolean);
        const log = all.filter((line) => line.startsWith('{')).join('\n');
        return { code: code ?? null, log, lines: all.filter((line) => !line.startsWith('{')) };
      });
      return { child, ended };
    },
    close: async () => {
      for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
      await working.stop('done');
      await postgres.drop();
      for (const scratch of [members, groups, positions]) await scratch.drop();
      await Promise.all([auth.close(), jobs.close()]);
    },
  };
}

const none = async (): Promise<never> => {
  throw failedPrecondition('LOCK_NOT_HELD', 'nobody asks for this here');
};

export const admins = async ({ roles }: System): Promise<number> =>
  (await roles.query(sql`select from member_roles where role_id = 'admin'`)).length;
/** The registrations of an admin. */
export const jobsOf = async ({ job }: System, command = 'member.register') => {
  const which = { memberId: 'system', state: JobState.JOB_STATE_UNSPECIFIED, command };
  return (await job.listJobs({ ...which, pageSize: 0, pageToken: '' })).jobs;
};
export const mayDoAll = async ({ auth }: System, loginId: string, password: string): Promise<boolean> => {
  const { accessToken } = await auth.login({ loginId, password, userAgent: '', source: '', deviceCookie: '' });
  const resource = { type: 'Member', id: 'x', ownerId: '' };
  return (await auth.check({ accessToken, checks: [{ action: 'member.delete', resource }] })).allowed[0] ?? false;
};
export const as = (loginId: string) => ({
  MUSUBI_ADMIN_LOGIN_ID: loginId,
  MUSUBI_ADMIN_PASSWORD: randomBytes(12).toString('hex'),
});
