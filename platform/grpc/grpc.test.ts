import { getEventListeners } from 'node:events';
import { networkInterfaces } from 'node:os';
import { status } from '@grpc/grpc-js';
import { context, trace } from '@opentelemetry/api';
import test, { type ExecutionContext } from 'ava';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { invalidArgument, MusubiError, resourceExhausted } from '../errors.ts';
import { hostPort } from '../process/config.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { currentTraceId, startTelemetry } from '../process/telemetry.ts';
import { byTests, lettingTestsIn, TESTS } from './callers.fixture.ts';
import { boundTo, connectPeer } from './client.ts';
import { InProcess } from './in-process.ts';
import { connectPeers } from './peers.ts';
import { type CallInfo, type Handlers, serveGrpc } from './server.ts';

const log = createLogger('test', 'silent');
/** What no test calls. */
const none = async (): Promise<never> => {
  throw new Error('no test calls this');
};
startTelemetry('test', {});

const callers = lettingTestsIn('query');

type Behaviour = (call: CallInfo) => Promise<void>;

/** How callers reach a service; between both nothing else may differ. */
const WAYS = ['over a socket', 'in one process'] as const;

/** A real server, and who calls it; every method behaves as told. */
async function pair(t: ExecutionContext, way: (typeof WAYS)[number], behaviour: Behaviour, host = '127.0.0.1') {
  const lifecycle = new Lifecycle(log, 2_000);
  const inProcess = new InProcess(new Map([['query', lifecycle]]));
  t.teardown(() => lifecycle.stop('test'));
  const handlers: Handlers<typeof QueryServiceService> = {
    getMember: async (_, call) => {
      await behaviour(call);
      return { member: undefined };
    },
    listMembers: async (_, call) => {
      await behaviour(call);
      return { members: [], nextPageToken: '' };
    },
    getRole: none,
    listRoles: none,
    getPolicy: none,
    listPolicies: none,
    getGroup: none,
    listGroups: none,
    listSubgroups: none,
    listAncestors: none,
    listGroupMembers: none,
    listCandidates: none,
    listCandidacies: none,
    getPosition: none,
    listPositions: none,
    getRoom: none,
    listRooms: none,
    listRoomMembers: none,
    listRoomMessages: none,
    getMemberSchema: async (_, call) => {
      await behaviour(call);
      return { schema: {}, version: 1, updatedAt: undefined };
    },
    listLookalikes: async (_, call) => {
      await behaviour(call);
      return { lookalikes: [], nextPageToken: '' };
    },
    awaitVersions: async (_, call) => {
      await behaviour(call);
      return {};
    },
  };
  const port = await serveGrpc({ listen: { host, port: 0 }, callers, log, lifecycle, inProcess }, QueryServiceService, handlers);
  const target = hostPort({ host, port });
  // Where nobody listens: who shares a process needs no address.
  const config = { MUSUBI_QUERY_ADDRESS: way === 'in one process' ? '127.0.0.1:1' : target };
  const caller = new Lifecycle(log, 1_000);
  t.teardown(() => caller.stop('test'));
  const { query: peer } = connectPeers(
    { query: QueryServiceService },
    { config, caller: TESTS, lifecycle: caller, ...(way === 'in one process' && { inProcess }) },
  );
  return { lifecycle, target, peer };
}

for (const way of WAYS) {
  test(`an error keeps its code, message and fields across the wire, and its cause stays behind: ${way}`, async (t) => {
    const { peer } = await pair(t, way, async () => {
      throw invalidArgument('INVALID_MEMBER', 'the member is wrong', {
        fields: [{ field: 'email', message: 'no @' }],
        cause: new Error('sql …'),
      });
    });
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError });
    t.is(error.code, 'INVALID_MEMBER');
    t.is(error.grpcStatus, status.INVALID_ARGUMENT);
    t.deepEqual(error.fields, [{ field: 'email', message: 'no @' }]);
    t.false(error.retryable);
    t.notRegex(JSON.stringify(error) + error.message, /sql/);
  });

  test(`an error of any size arrives, cut to what headers can hold, and the connection goes on: ${way}`, async (t) => {
    const long = '花'.repeat(200_000);
    const { peer } = await pair(t, way, async () => {
      throw invalidArgument('INVALID_MEMBER', long, {
        fields: Array.from({ length: 1_000 }, (_, i) => ({ field: `f${i}${long}`, message: long })),
      });
    });
    for (let i = 0; i < 2; i++) {
      const error = await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError });
      t.is(error.code, 'INVALID_MEMBER');
      t.regex(error.message, /^花{999}…$/);
      t.is(error.fields.length, 50);
      t.regex(error.fields[0]?.message ?? '', /^花{199}…$/);
    }
  });

  test(`an error says over the wire when to try again: ${way}`, async (t) => {
    const { peer } = await pair(t, way, async () => {
      throw resourceExhausted('TOO_BUSY', 'too many of them', { retryAfterSeconds: 90 });
    });
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError });
    t.is(error.retryAfterSeconds, 90);
    const silent = await pair(t, way, async () => {
      throw resourceExhausted('TOO_BUSY', 'too many of them');
    });
    const other = await t.throwsAsync(silent.peer.getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError });
    t.is(other.retryAfterSeconds, undefined);
  });

  test(`a defect is INTERNAL and tells nothing of itself: ${way}`, async (t) => {
    const { peer } = await pair(t, way, async () => {
      throw new TypeError('undefined is not a password');
    });
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError });
    t.is(error.code, 'INTERNAL');
    t.notRegex(error.message, /password/);
  });

  test(`a deadline ends the call on both sides: ${way}`, async (t) => {
    const timeoutMs = 1_500;
    const aborted = Promise.withResolvers<void>();
    let leftMs: number | undefined;
    let dragsOn = false;
    const { peer } = await pair(t, way, async ({ signal, deadline }) => {
      if (!dragsOn) return;
      leftMs = deadline.getTime() - Date.now();
      signal.addEventListener('abort', () => aborted.resolve());
      await aborted.promise;
    });
    await peer.getMember({ memberId: 'x', seen: undefined }); // or to connect would be part of the deadline
    dragsOn = true;
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }, { timeoutMs }), {
      instanceOf: MusubiError,
    });
    t.is(error.grpcStatus, status.DEADLINE_EXCEEDED);
    t.true(error.retryable);
    t.true(leftMs !== undefined && leftMs <= timeoutMs, `${leftMs} ms`);
    await aborted.promise;
  });

  test(`a caller that gives up ends the call on both sides, and asks nothing once it has: ${way}`, async (t) => {
    const begun = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    let calls = 0;
    const { peer } = await pair(t, way, async ({ signal }) => {
      calls++;
      signal.addEventListener('abort', () => aborted.resolve());
      begun.resolve();
      await aborted.promise;
    });
    const left = new AbortController();
    for (const ask of [peer, boundTo(left.signal, peer)]) {
      const call = ask.getMember({ memberId: 'x', seen: undefined }, ask === peer ? { signal: left.signal } : {});
      await begun.promise;
      left.abort();
      t.is((await t.throwsAsync(call, { instanceOf: MusubiError })).grpcStatus, status.CANCELLED);
    }
    await aborted.promise;
    t.is(calls, 1, 'the second was never sent');
  });

  test(`a call that has ended leaves nothing with the signal of its caller: ${way}`, async (t) => {
    let fails = false;
    const { peer } = await pair(t, way, async () => {
      if (fails) throw invalidArgument('INVALID_MEMBER', 'the member is wrong');
    });
    const { signal } = new AbortController();
    await peer.getMember({ memberId: 'x', seen: undefined }, { signal });
    fails = true;
    await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }, { signal }));
    t.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  test(`the trace goes on in the called service: ${way}`, async (t) => {
    let seen: string | undefined;
    const { peer } = await pair(t, way, async () => {
      seen = currentTraceId();
    });
    const span = trace.getTracer('test').startSpan('outer');
    await context.with(trace.setSpan(context.active(), span), () => peer.getMember({ memberId: 'x', seen: undefined }));
    t.is(seen, span.spanContext().traceId);
  });

  test(`a service that is away is UNAVAILABLE, and found again when it is back: ${way}`, async (t) => {
    const { target, lifecycle } = await pair(t, way, async () => {});
    const caller = new Lifecycle(log, 1_000);
    t.teardown(() => caller.stop('test'));
    const peer = connectPeer(target, QueryServiceService, caller, byTests('query'));
    await peer.getMember({ memberId: 'x', seen: undefined });
    await lifecycle.stop('test');
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError });
    t.is(error.grpcStatus, status.UNAVAILABLE);
  });
}

// A container may have no IPv6.
const ipv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));
(ipv6 ? test : test.skip)('a service may be at an IPv6 address', async (t) => {
  const { peer, target } = await pair(t, 'over a socket', async () => {}, '::1');
  t.regex(target, /^\[::1\]:\d+$/);
  await t.notThrowsAsync(peer.getMember({ memberId: 'x', seen: undefined }));
});

test('an unknown method is refused', async (t) => {
  const { target, lifecycle } = await pair(t, 'over a socket', async () => {});
  const peer = connectPeer(target, JobServiceService, lifecycle);
  const error = await t.throwsAsync(peer.getJob({ jobId: 'x' }), { instanceOf: MusubiError });
  t.is(error.grpcStatus, status.UNIMPLEMENTED);
});
