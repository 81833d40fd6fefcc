import anyTest, { type TestFn } from 'ava';
import { pino } from 'pino';
import { byTests, lettingTestsIn } from '#platform/grpc/callers.fixture.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { serveGrpc } from '#platform/grpc/server.ts';
import type { HttpLimits } from '#platform/http/server.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { currentTraceId, startTelemetry } from '#platform/process/telemetry.ts';
import { newId } from '#platform/validation/id.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { type AuthorizeRequest, AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { ChatServiceService } from '#proto/musubi/chat/v1/chat.ts';
import { GroupServiceService } from '#proto/musubi/group/v1/group.ts';
import { type Job, JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { type GroupView, type MemberView, type PositionView, QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import type { CommandStart } from '../worker/client.ts';
import { groupOf } from './additions.fixture.ts';
import { view } from './applied.fixture.ts';
import { chatOf } from './chat-stand-ins.fixture.ts';
import { AbandonedJobs } from './commands/abandoned.ts';
import { SingleFlight } from './commands/single-flight.ts';
import { type WaitLimits, Waits } from './commands/waits.ts';
import type { Gateway } from './gateway.ts';
import { createApp } from './http/app.ts';
import { serveApp } from './http/server.ts';
import { TrustedProxies } from './http/source.ts';
import { jobOf } from './job-stand-ins.fixture.ts';
import type { PlayedRoom } from './rooms.fixture.ts';
import { allRoutes } from './routes/index.ts';
import { authOf, commandsOf, queryOf } from './stand-ins.fixture.ts';

/**
 * The gateway on a real HTTP server, calling real gRPC servers. Behind these stand a few maps instead of
 * MongoDB, Redis, PostgreSQL and Temporal: what is tested here is the gateway's own part, and every path of it,
 * such as a Temporal that is away. The whole system is tested in test/.
 */
export interface World {
  base: string;
  /** Peers may be replaced, to be away. */
  gateway: { -readonly [K in keyof Gateway]: Gateway[K] };
  /** The token of a member who may do everything, and of one who may read members and see its own jobs. */
  admin: string;
  hana: string;
  hanaId: string;
  /** The one session that everybody has. */
  sessionId: string;
  members: Map<string, MemberView>;
  groups: Map<string, GroupView>;
  positions: Map<string, PositionView>;
  rooms: Map<string, PlayedRoom>;
  jobs: Map<string, Job>;
  started: CommandStart[];
  /** As how many commands each job was to count. */
  costs: (number | undefined)[];
  /** What Auth was asked. */
  asked: AuthorizeRequest[];
  /** What Auth says that may be seen. */
  seen: Condition;
  /** What Auth refuses whoever asks: actions, to everything or to what has this ID. */
  refused: { actions: readonly string[]; id?: string }[];
  /** The log, line by line. */
  lines: Record<string, unknown>[];
  /** How the next commands go; `disconnected`: it is known beforehand that Temporal is away. */
  next: 'completed' | 'running' | 'unavailable' | 'disconnected';
  close(): Promise<void>;
}

// Every test file is a process of its own, which traces as a gateway does.
startTelemetry('gateway', {});

const token = (sub: string): string =>
  ['{"alg":"ES256"}', JSON.stringify({ sub }), 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.');

/** ava's test, each with a world of its own. */
export function worldTest(options: WorldOptions = {}): TestFn<World> {
  const test = anyTest as TestFn<World>;
  test.beforeEach(async (t) => {
    t.context = await startWorld(options);
  });
  test.afterEach.always((t) => t.context.close());
  return test;
}

interface WorldOptions {
  /** Of pages that may use it. */
  origins?: string[];
  /** Proxies that are believed. */
  proxies?: string[];
  /** Of its HTTP server. */
  limits?: Partial<HttpLimits>;
  /** How many may wait. */
  waits?: WaitLimits;
}

export async function startWorld({ origins = [], proxies = [], limits = {}, waits }: WorldOptions = {}): Promise<World> {
  const lines: Record<string, unknown>[] = [];
  // As our logger does.
  const mixin = () => ({ traceId: currentTraceId() });
  const log = pino({ level: 'info', mixin }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const lifecycle = new Lifecycle(log, 5_000);
  const adminId = newId();
  const hanaId = newId();
  const world = {
    admin: token(adminId),
    hana: token(hanaId),
    hanaId,
    sessionId: newId(),
    members: new Map<string, MemberView>(),
    groups: new Map<string, GroupView>(),
    positions: new Map<string, PositionView>(),
    rooms: new Map<string, PlayedRoom>(),
    jobs: new Map<string, Job>(),
    started: [] as CommandStart[],
    costs: [],
    asked: [] as AuthorizeRequest[],
    seen: { kind: { $case: 'always', value: true } } as Condition,
    refused: [],
    lines,
    next: 'completed' as World['next'],
  };
  for (const [memberId, loginId] of [
    [adminId, 'admin'],
    [hanaId, 'hana'],
  ] as const) {
    world.members.set(memberId, view(memberId, { loginId, displayName: loginId, email: `${loginId}@example.com` }));
  }

  const stopping = new AbortController();
  const serve = { listen: { host: '127.0.0.1', port: 0 }, log, lifecycle };
  const authPort = await serveGrpc(
    { ...serve, callers: lettingTestsIn('auth') },
    AuthServiceService,
    authOf(world, { [world.admin]: adminId, [world.hana]: hanaId }),
  );
  const jobPort = await serveGrpc({ ...serve, callers: lettingTestsIn('job') }, JobServiceService, jobOf(world));
  const queryPort = await serveGrpc({ ...serve, callers: lettingTestsIn('query') }, QueryServiceService, queryOf(world));
  const groupPort = await serveGrpc({ ...serve, callers: lettingTestsIn('group') }, GroupServiceService, groupOf(world));
  const chatPort = await serveGrpc({ ...serve, callers: lettingTestsIn('chat') }, ChatServiceService, chatOf(world));
  const services = {
    chat: connectPeer(`127.0.0.1:${chatPort}`, ChatServiceService, lifecycle, byTests('chat')),
    group: connectPeer(`127.0.0.1:${groupPort}`, GroupServiceService, lifecycle, byTests('group')),
    auth: connectPeer(`127.0.0.1:${authPort}`, AuthServiceService, lifecycle, byTests('auth')),
    job: connectPeer(`127.0.0.1:${jobPort}`, JobServiceService, lifecycle, byTests('job')),
    query: connectPeer(`127.0.0.1:${queryPort}`, QueryServiceService, lifecycle, byTests('query')),
    commands: commandsOf(world),
    log,
    stopping: stopping.signal,
  };
  // The same object: what replaces a peer replaces it for both.
  const gateway: World['gateway'] = Object.assign(services, {
    abandoned: new AbandonedJobs(services),
    waits: new Waits(services, waits),
    issuing: new SingleFlight<Job>(),
  });
  const trust = { origins: new Set(origins), proxies: new TrustedProxies(proxies) };
  const port = await serveApp(createApp(gateway, allRoutes(), trust), { ...serve, limits: { drain: 0, ...limits } });
  return Object.assign(world, {
    gateway,
    base: `http://127.0.0.1:${port}`,
    close: async () => {
      stopping.abort();
      await lifecycle.stop('the test is over');
    },
  });
}
