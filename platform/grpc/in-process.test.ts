import { status } from '@grpc/grpc-js';
import { context } from '@opentelemetry/api';
import test from 'ava';
import { ErasureServiceService } from '#proto/musubi/erasure/v1/erasure.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { MusubiError } from '../errors.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { byTests, lettingTestsIn, TESTS } from './callers.fixture.ts';
import { InProcess } from './in-process.ts';
import { connectPeers } from './peers.ts';
import { type CallInfo, type Handlers, served } from './server.ts';

const log = createLogger('test', 'silent');
/** What no test calls. */
const none = async (): Promise<never> => {
  throw new Error('no test calls this');
};
const callers = lettingTestsIn('query');

// What calls within a process have of their own; what is as over a socket stands in grpc.test.ts.

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
  inProcess.serve(
    [served(QueryServiceService, handlers)],
    { log, callers, home: context.active() },
    { maxBytes: 100_000, drainMs: 0 },
  );
  const peer = inProcess.peer('query', QueryServiceService, byTests('query'));
  const request = { memberId: 'x', seen: undefined, unknown: 'to the contract' };
  const answered = await peer.getMember(request);
  t.deepEqual(received, { memberId: 'x', seen: undefined });
  t.not(answered, response);
  // With the four bytes before it, as many as there may be.
  const most = 'x'.repeat(99_996);
  await t.notThrowsAsync(peer.getMember({ memberId: most, seen: undefined }));
  const error = await t.throwsAsync(peer.getMember({ memberId: `${most}x`, seen: undefined }), { instanceOf: MusubiError });
  t.is(error.grpcStatus, status.RESOURCE_EXHAUSTED);
});

test('what several programs of one process serve is asked of the one that is meant', async (t) => {
  const names = ['member', 'query'];
  const lifecycles = new Map(names.map((name) => [name, new Lifecycle(log, 2_000)]));
  const inProcess = new InProcess(lifecycles);
  const config = { MUSUBI_MEMBER_ADDRESS: '127.0.0.1:1', MUSUBI_QUERY_ADDRESS: '127.0.0.1:1' };
  const contracts = { member: ErasureServiceService, query: ErasureServiceService };
  const withdrawals = names.map((name) => {
    const erase = async () => ({ erased: [{ memberId: 'x', place: name, count: 1 }], pendingMemberIds: [] });
    const erasing = served(ErasureServiceService, { erase, listErased: none });
    const host = { log, callers: lettingTestsIn(name), home: context.active() };
    return inProcess.serve([erasing], host, { maxBytes: 1_000, drainMs: 0 });
  });
  const lifecycle = new Lifecycle(log, 2_000);
  t.teardown(() => lifecycle.stop('test'));
  const peers = connectPeers(contracts, { config, caller: TESTS, lifecycle, inProcess });
  const placeOf = async (name: keyof typeof contracts) => (await peers[name].erase({ memberIds: ['x'] })).erased[0]?.place;
  t.deepEqual([await placeOf('member'), await placeOf('query')], names);
  await withdrawals[1]?.();
  t.is(await placeOf('member'), 'member');
  t.is((await t.throwsAsync(placeOf('query'), { instanceOf: MusubiError })).grpcStatus, status.UNAVAILABLE);
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
    { log, callers, home: context.active() },
    {
      maxBytes: 1_000,
      drainMs: 300,
    },
  );
  // A caller is known from its first call on: that takes a moment.
  await callers.identify(await TESTS.token('query'));
  const peer = inProcess.peer('query', QueryServiceService, byTests('query'));
  const ends = peer.getMember({ memberId: 'x', seen: undefined });
  const hangs = peer.listMembers({ pageSize: 1, pageToken: '', query: '' } as Parameters<typeof peer.listMembers>[0]);
  const stopped = withdraw();
  t.is(
    (await t.throwsAsync(peer.getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError })).grpcStatus,
    status.UNAVAILABLE,
  );
  quick.resolve();
  t.deepEqual(await ends, { member: undefined });
  t.is((await t.throwsAsync(hangs, { instanceOf: MusubiError })).grpcStatus, status.UNAVAILABLE);
  await Promise.all([aborted.promise, stopped]);
});
