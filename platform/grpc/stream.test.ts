import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { type State, StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { whenAborted } from '../abort.ts';
import { invalidArgument, MusubiError } from '../errors.ts';
import { Lifecycle } from '../lifecycle.ts';
import { createLogger } from '../log.ts';
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
  const port = await serveGrpc({ listen, log, lifecycle, inProcess }, StateServiceService, handlers);
  const config = { MUSUBI_STATE_ADDRESS: `127.0.0.1:${port}` };
  const caller = { config, lifecycle, ...(way === 'in one process' && { inProcess }) };
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
        for await (const { version } of peer.tellState(request)) got.push(version);
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
    const error = await t.throwsAsync(Array.fromAsync(peer.tellState(request)), { instanceOf: MusubiError });
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
    for await (const _ of peer.tellState(request)) {
      read++;
      if (read === 3) await sleep(300);
      if (read === 100) break;
    }
    await ended.promise;
    t.true(made < 300, `${made} were made for ${read} that were read`);
  });

  test(`a deadline, and a caller that leaves, end a stream on both sides: ${way}`, async (t) => {
    for (const how of ['deadline', 'caller']) {
      const ended = Promise.withResolvers<void>();
      const peer = await pair(t, way, async function* ({ signal }) {
        yield state(1);
        await whenAborted(signal);
        ended.resolve();
      });
      await peer.raiseVersions({ aggregateType: 'thing', seen: [] }); // or to connect would be part of the deadline
      const leaves = new AbortController();
      const asked =
        how === 'deadline' ? peer.tellState(request, { timeoutMs: 1_500 }) : boundTo(leaves.signal, peer).tellState(request);
      const error = await t.throwsAsync(
        async () => {
          for await (const _ of asked) leaves.abort();
        },
        { instanceOf: MusubiError },
      );
      t.is(error.grpcStatus, how === 'deadline' ? status.DEADLINE_EXCEEDED : status.CANCELLED);
      await ended.promise;
    }
  });
}
