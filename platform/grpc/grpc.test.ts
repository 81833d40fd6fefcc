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
import { boundTo, connectPeer } from './client.ts';
import { InProcess } from './in-process.ts';
import { connectPeers } from './peers.ts';
import { type CallInfo, type Handlers, served, serveGrpc } from './server.ts';

const log = createLogger('test', 'silent');
startTelemetry('test', {});

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
    awaitVersions: async (_, call) => {
      await behaviour(call);
      return {};
    },
  };
  const port = await serveGrpc({ listen: { host, port: 0 }, log, lifecycle, inProcess }, QueryServiceService, handlers);
  const target = hostPort({ host, port });
  // Where nobody listens: who shares a process needs no address.
  const config = { MUSUBI_QUERY_ADDRESS: way === 'in one process' ? '127.0.0.1:1' : target };
  const caller = new Lifecycle(log, 1_000);
  t.teardown(() => caller.stop('test'));
  const { query: peer } = connectPeers(
    { query: QueryServiceService },
    { config, lifecycle: caller, ...(way === 'in one process' && { inProcess }) },
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
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
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
      const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
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
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
    t.is(error.retryAfterSeconds, 90);
    const silent = await pair(t, way, async () => {
      throw resourceExhausted('TOO_BUSY', 'too many of them');
    });
    const other = await t.throwsAsync(silent.peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
    t.is(other.retryAfterSeconds, undefined);
  });

  test(`a defect is INTERNAL and tells nothing of itself: ${way}`, async (t) => {
    const { peer } = await pair(t, way, async () => {
      throw new TypeError('undefined is not a password');
    });
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
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
    await peer.getMember({ memberId: 'x' }); // or to connect would be part of the deadline
    dragsOn = true;
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }, { timeoutMs }), { instanceOf: MusubiError });
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
      const call = ask.getMember({ memberId: 'x' }, ask === peer ? { signal: left.signal } : {});
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
    await peer.getMember({ memberId: 'x' }, { signal });
    fails = true;
    await t.throwsAsync(peer.getMember({ memberId: 'x' }, { signal }));
    t.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  test(`the trace goes on in the called service: ${way}`, async (t) => {
    let seen: string | undefined;
    const { peer } = await pair(t, way, async () => {
      seen = currentTraceId();
    });
    const span = trace.getTracer('test').startSpan('outer');
    await context.with(trace.setSpan(context.active(), span), () => peer.getMember({ memberId: 'x' }));
    t.is(seen, span.spanContext().traceId);
  });

  test(`a service that is away is UNAVAILABLE, and found again when it is back: ${way}`, async (t) => {
    const { target, lifecycle } = await pair(t, way, async () => {});
    const caller = new Lifecycle(log, 1_000);
    t.teardown(() => caller.stop('test'));
    const peer = connectPeer(target, QueryServiceService, caller);
    await peer.getMember({ memberId: 'x' });
    await lifecycle.stop('test');
    const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
    t.is(error.grpcStatus, status.UNAVAILABLE);
  });
}

test('programs of one process share no object, and the limits of a service hold in it, too', async (t) => {
  const lifecycle = new Lifecycle(log, 2_000);
  t.teardown(() => lifecycle.stop('test'));
  const inProcess = new InProcess(new Map([['query', lifecycle]]));
  let received: { memberId: string } | undefined;
  const response = { member: undefined };
  const handlers = {
    getMember: async (request: { memberId: string }) => {
      received = request;
      return response;
    },
  } as unknown as Handlers<typeof QueryServiceService>;
  inProcess.serve([served(QueryServiceService, handlers)], { log, home: context.active() }, { maxBytes: 100_000, drainMs: 0 });
  const peer = inProcess.peer(QueryServiceService);
  const request = { memberId: 'x', unknown: 'to the contract' };
  const answered = await peer.getMember(request);
  t.deepEqual(received, { memberId: 'x' });
  t.not(answered, response);
  // With the four bytes before it, as many as there may be.
  const most = 'x'.repeat(99_996);
  await t.notThrowsAsync(peer.getMember({ memberId: most }));
  const error = await t.throwsAsync(peer.getMember({ memberId: `${most}x` }), { instanceOf: MusubiError });
  t.is(error.grpcStatus, status.RESOURCE_EXHAUSTED);
});

test('a program of the same process is as ready as its lifecycle says, and one that is not there is not', async (t) => {
  const lifecycle = new Lifecycle(log, 2_000);
  t.teardown(() => lifecycle.stop('test'));
  const inProcess = new InProcess(new Map([['query', lifecycle]]));
  await t.throwsAsync(inProcess.requireReady('query'), { message: 'is NOT_SERVING' }, 'while it starts');
  lifecycle.markStarted();
  await t.notThrowsAsync(inProcess.requireReady('query'));
  await t.throwsAsync(inProcess.requireReady('job'), { message: 'is NOT_SERVING' });
});

test('a program that stops lets calls of its process end, and ends those that do not', async (t) => {
  const lifecycle = new Lifecycle(log, 10_000);
  const inProcess = new InProcess(new Map([['query', lifecycle]]));
  const [quick, aborted] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const handlers = {
    getMember: async () => {
      await quick.promise;
      return { member: undefined };
    },
    listMembers: async (_: unknown, { signal }: CallInfo) => {
      signal.addEventListener('abort', () => aborted.resolve());
      return await new Promise(() => undefined);
    },
  } as unknown as Handlers<typeof QueryServiceService>;
  const withdraw = inProcess.serve(
    [served(QueryServiceService, handlers)],
    { log, home: context.active() },
    {
      maxBytes: 1_000,
      drainMs: 300,
    },
  );
  const peer = inProcess.peer(QueryServiceService);
  const ends = peer.getMember({ memberId: 'x' });
  const hangs = peer.listMembers({ pageSize: 1, pageToken: '', query: '' } as Parameters<typeof peer.listMembers>[0]);
  const stopped = withdraw();
  t.is((await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError })).grpcStatus, status.UNAVAILABLE);
  quick.resolve();
  t.deepEqual(await ends, { member: undefined });
  t.is((await t.throwsAsync(hangs, { instanceOf: MusubiError })).grpcStatus, status.UNAVAILABLE);
  await Promise.all([aborted.promise, stopped]);
});

// A container may have no IPv6.
const ipv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));
(ipv6 ? test : test.skip)('a service may be at an IPv6 address', async (t) => {
  const { peer, target } = await pair(t, 'over a socket', async () => {}, '::1');
  t.regex(target, /^\[::1\]:\d+$/);
  await t.notThrowsAsync(peer.getMember({ memberId: 'x' }));
});

test('an unknown method is refused', async (t) => {
  const { target, lifecycle } = await pair(t, 'over a socket', async () => {});
  const peer = connectPeer(target, JobServiceService, lifecycle);
  const error = await t.throwsAsync(peer.getJob({ jobId: 'x' }), { instanceOf: MusubiError });
  t.is(error.grpcStatus, status.UNIMPLEMENTED);
});
