import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { context, trace } from '@opentelemetry/api';
import test from 'ava';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { invalidArgument, MusubiError } from '../errors.ts';
import { Lifecycle } from '../lifecycle.ts';
import { createLogger } from '../log.ts';
import { currentTraceId, startTelemetry } from '../telemetry.ts';
import { connectPeer } from './client.ts';
import { type CallInfo, type Handlers, serveGrpc } from './server.ts';

const log = createLogger('test', 'silent');
startTelemetry('test', {});

type Behaviour = (call: CallInfo) => Promise<void>;

/** A real server and a real client on loopback; every method behaves as told. */
async function pair(behaviour: Behaviour) {
  const lifecycle = new Lifecycle(log, 2_000);
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
  const port = await serveGrpc({ listen: { host: '127.0.0.1', port: 0 }, log, lifecycle }, QueryServiceService, handlers);
  const target = `127.0.0.1:${port}`;
  return { lifecycle, target, peer: connectPeer(target, QueryServiceService, lifecycle) };
}

test('an error keeps its code, message and fields across the wire, and its cause stays behind', async (t) => {
  const { peer, lifecycle } = await pair(async () => {
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
  await lifecycle.stop('test');
});

test('a defect is INTERNAL and tells nothing of itself', async (t) => {
  const { peer, lifecycle } = await pair(async () => {
    throw new TypeError('undefined is not a password');
  });
  const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
  t.is(error.code, 'INTERNAL');
  t.notRegex(error.message, /password/);
  await lifecycle.stop('test');
});

test('a deadline ends the call on both sides', async (t) => {
  let aborted = false;
  const { peer, lifecycle } = await pair(async ({ signal, deadline }) => {
    t.true(deadline.getTime() - Date.now() <= 100);
    signal.addEventListener('abort', () => {
      aborted = true;
    });
    await sleep(1_000);
  });
  const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }, { timeoutMs: 100 }), { instanceOf: MusubiError });
  t.is(error.grpcStatus, status.DEADLINE_EXCEEDED);
  t.true(error.retryable);
  await sleep(50);
  t.true(aborted);
  await lifecycle.stop('test');
});

test('the trace goes on in the called service', async (t) => {
  let seen: string | undefined;
  const { peer, lifecycle } = await pair(async () => {
    seen = currentTraceId();
  });
  const span = trace.getTracer('test').startSpan('outer');
  await context.with(trace.setSpan(context.active(), span), () => peer.getMember({ memberId: 'x' }));
  t.is(seen, span.spanContext().traceId);
  await lifecycle.stop('test');
});

test('a service that is away is UNAVAILABLE, and found again when it is back', async (t) => {
  const { target, lifecycle } = await pair(async () => {});
  const stopped = new Lifecycle(log, 1_000);
  const peer = connectPeer(target, QueryServiceService, stopped);
  await peer.getMember({ memberId: 'x' });
  await lifecycle.stop('test');
  const error = await t.throwsAsync(peer.getMember({ memberId: 'x' }), { instanceOf: MusubiError });
  t.is(error.grpcStatus, status.UNAVAILABLE);
  await stopped.stop('test');
});

test('an unknown method is refused', async (t) => {
  const { target, lifecycle } = await pair(async () => {});
  const peer = connectPeer(target, JobServiceService, lifecycle);
  const error = await t.throwsAsync(peer.getJob({ jobId: 'x' }), { instanceOf: MusubiError });
  t.is(error.grpcStatus, status.UNIMPLEMENTED);
  await lifecycle.stop('test');
});
