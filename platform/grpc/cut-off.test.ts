import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import type { MusubiError } from '../errors.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { connectPeer } from './client.ts';

for (const [how, code] of Object.entries({ 'without a word': 0, 'as broken': 2 })) {
  test(`a call whose stream its server ends ${how} is one of a service that is away: it may be made again`, async (t) => {
    const server = createServer();
    server.on('stream', (stream) => stream.on('error', () => undefined).close(code));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const lifecycle = new Lifecycle(createLogger('test', 'silent'), 5_000);
    t.teardown(async () => {
      await lifecycle.stop('tested');
      server.close();
    });
    const peer = connectPeer(`127.0.0.1:${(server.address() as AddressInfo).port}`, JobServiceService, lifecycle);
    const error = await t.throwsAsync<MusubiError>(peer.getJob({ jobId: 'any' }));
    t.is(error?.grpcStatus, status.UNAVAILABLE);
    t.is(error?.told.code, 'SERVICE_UNAVAILABLE');
    t.true(error?.forOperators);
  });
}
