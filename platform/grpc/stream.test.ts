import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { type State, StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { whenAborted } from '../concurrency/abort.ts';
import { invalidArgument, MusubiError } from '../errors.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { until } from '../until.fixture.ts';
import { lettingTestsIn, TESTS } from './callers.fixture.ts';
import { boundTo } from './client.ts';
import { InProcess } from './in-process.ts';
import { connectPeers } from './peers.ts';
import { type CallInfo, serveGrpc } from './server.ts';

const log = createLogger('test', 'silent');
const request = { aggregateType: 'thing', afterId: '', limit: 0, ids: [] };
const state = (version: number, bytes = 0): State => ({
  aggregateType: 'thing',
  id: 'a',
  version,
  type: 'thing.changed',
  payloadJson: 'x'.repeat(bytes),
  deleted: false,
});

/** A busy machine may take longer than a call's five seconds. */
const WITHOUT_HASTE = { timeoutMs: 60_000 };

const WAYS = ['over a socket', 'in one process'] as const;

/** A real server, and who calls it, between which there is a stream. */
async function pair(t: ExecutionContext, way: (typeof WAYS)[number], tellState: (call: CallInfo) => AsyncIterable<State>) {
  const lifecycle = new Lifecycle(log, 2_000);
  t.teardown(() => lifecycle.stop('test'));
  const handlers = {
    tellState: (_: unknown, call: CallInfo) => tellState(call),
    raiseVersions: async () => ({ written: [] }),
    noteRetold: async () => ({}),
  };
  const listen = { host: '127.0.0.1', port: 0 };
  const inProcess = new InProcess(new Map([['state', lifecycle]]));
  const port = await serveGrpc(
    { listen, callers: lettingTestsIn('state'), log, lifecycle, inProcess },
    StateServiceService,
    handlers,
  );
  // Where nobody listens: who shares a process needs no address.
  const config = { MUSUBI_STATE_ADDRESS: `127.0.0.1:${way === 'in one process' ? 1 : port}` };
  const caller = { config, caller: TESTS, lifecycle, ...(way === 'in one process' && { inProcess }) };
  return connectPeers({ state: StateServiceService }, caller).state;
}

for (const way of WAYS) {
  test(`what is streamed arrives in its order, and an error behind it: ${way}`, async (t) => {
    const peer = await pair(t, way, async function* () {
      for (let version = 1; version <= 100; version++) yield state(version);
      throw invalidArgument('INVALID_ARGUMENT', 'no more of them');
    });
    const got: number[] = [];
    const error = await t.throwsAsync(
      async () => {
        for await (const { version } of peer.tellState(request, WITHOUT_HASTE)) got.push(version);
      },
      { instanceOf: MusubiError },
    );
    t.deepEqual(
      got,
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    t.is(error.code, 'INVALID_ARGUMENT');
    t.is(error.message, 'No more of them.');
  });

  test(`a defect behind what was streamed is INTERNAL and tells nothing of itself: ${way}`, async (t) => {
    const peer = await pair(t, way, async function* () {
      yield state(1);
      throw new TypeError('undefined is not a password');
    });
    const error = await t.throwsAsync(Array.fromAsync(peer.tellState(request, WITHOUT_HASTE)), { instanceOf: MusubiError });
    t.is(error.code, 'INTERNAL');
    t.notRegex(error.message, /password/);
  });

  test(`who reads slowly is not overrun, and who stops reading ends the work: ${way}`, async (t) => {
    const ended = Promise.withResolvers<void>();
    let made = 0;
    const peer = await pair(t, way, async function* () {
      try {
        for (;;) yield state(++made, 100_000);
      } finally {
        ended.resolve();
      }
    });
    let read = 0;
    for await (const _ of peer.tellState(request, WITHOUT_HASTE)) {
      read++;
      if (read === 3) await sleep(300);
      if (read === 100) break;
    }
    await ended.promise;
    t.true(made < 300, `${made} were made for ${read} that were read`);
  });

  test(`a deadline ends the work also while it waits for who does not read: ${way}`, async (t) => {
    let open = 0;
    const peer = await pair(t, way, async function* () {
      open++;
      try {
        for (;;) yield state(1, 100_000);
      } finally {
        open--;
      }
    });
    // On a busy machine a deadline can be over before the first state is there.
    for (let timeoutMs = 500, read = 0; read === 0; timeoutMs *= 2) {
      const error = await t.throwsAsync(
        async () => {
          for await (const _ of peer.tellState(request, { timeoutMs })) {
            read++;
            await until(() => open === 0);
          }
        },
        { instanceOf: MusubiError },
      );
      t.is(error.grpcStatus, status.DEADLINE_EXCEEDED);
    }
  });

  test(`a deadline ends a stream on both sides: ${way}`, async (t) => {
    const { peer, ended } = await waiting(t, way);
    // On a busy machine a deadline can be over before the first state is there: then it has ended no stream.
    for (let timeoutMs = 500, read = 0; read === 0; timeoutMs *= 2) {
      const error = await t.throwsAsync(
        async () => {
          for await (const _ of peer.tellState(request, { timeoutMs })) read++;
        },
        { instanceOf: MusubiError },
      );
      t.is(error.grpcStatus, status.DEADLINE_EXCEEDED);
    }
    await ended();
  });

  test(`a caller that leaves ends a stream on both sides: ${way}`, async (t) => {
    const { peer, ended } = await waiting(t, way);
    const leaves = new AbortController();
    const error = await t.throwsAsync(
      async () => {
        for await (const _ of boundTo(leaves.signal, peer).tellState(request, WITHOUT_HASTE)) leaves.abort();
      },
      { instanceOf: MusubiError },
    );
    t.is(error.grpcStatus, status.CANCELLED);
    await ended();
  });
}

/** A stream that waits behind its first state, and what resolves once none is open any more. */
async function waiting(t: ExecutionContext, way: (typeof WAYS)[number]) {
  let open = 0;
  const peer = await pair(t, way, async function* ({ signal }) {
    open++;
    try {
      yield state(1);
      await whenAborted(signal);
    } finally {
      open--;
    }
  });
  const ended = async (): Promise<void> => {
    await until(() => open === 0);
  };
  return { peer, ended };
}
