import { once } from 'node:events';
import { connect } from 'node:http2';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { MusubiError } from '../errors.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { CALLER, connectPeer } from './client.ts';
import { InProcess } from './in-process.ts';
import { callers, gateway } from './keys.fixture.ts';
import { healthOf } from './readiness.ts';
import { type Handlers, serveGrpc } from './server.ts';

// What a real server does with the tokens of callers (callers.test.ts), and without.

const log = createLogger('test', 'silent');
const { getMember } = QueryServiceService;

/** A real server, that lets `gateway` call one method. */
async function serve(t: ExecutionContext) {
  const lifecycle = new Lifecycle(log, 2_000);
  lifecycle.markStarted();
  const caller = new Lifecycle(log, 1_000);
  t.teardown(() => caller.stop('test').then(() => lifecycle.stop('test')));
  const calls: string[] = [];
  const handle = (name: string, answer: object) => async () => {
    calls.push(name);
    return answer;
  };
  const handlers = {
    ...Object.fromEntries(Object.keys(QueryServiceService).map((name) => [name, handle(name, {})])),
    getMember: handle('getMember', { member: undefined }),
    listMembers: handle('listMembers', { members: [], nextPageToken: '' }),
    awaitVersions: handle('awaitVersions', {}),
  } as unknown as Handlers<typeof QueryServiceService>;
  const inProcess = new InProcess(new Map([['query', lifecycle]]));
  const listen = { host: '127.0.0.1', port: 0 };
  const port = await serveGrpc({ listen, callers: callers(), log, lifecycle, inProcess }, QueryServiceService, handlers);
  return { calls, caller, inProcess, port, target: `127.0.0.1:${port}` };
}

for (const way of ['over a socket', 'in one process']) {
  test(`a service does nothing for a stranger, nor what a caller may not call: ${way}`, async (t) => {
    const { calls, caller, inProcess, target } = await serve(t);
    const peerOf = (proof?: () => string | Promise<string>) =>
      way === 'in one process'
        ? inProcess.peer('query', QueryServiceService, proof)
        : connectPeer(target, QueryServiceService, caller, proof);
    const good = peerOf(() => gateway.token('query'));
    await good.getMember({ memberId: 'x', seen: undefined });
    t.deepEqual(calls, ['getMember']);
    for (const proof of [undefined, () => 'no token', () => gateway.token('auth')]) {
      const error = await t.throwsAsync(peerOf(proof).getMember({ memberId: 'x', seen: undefined }), { instanceOf: MusubiError });
      t.is(error?.code, 'SERVICE_UNAVAILABLE', 'it is no answer to those whom the caller works for');
      t.is((error?.cause as MusubiError | undefined)?.code, 'CALLER_UNKNOWN');
      t.true(error?.retryable);
    }
    const error = await t.throwsAsync(good.listMembers({ pageSize: 1, pageToken: '', query: '' } as never), {
      instanceOf: MusubiError,
    });
    t.is(error?.code, 'INTERNAL');
    t.is((error?.cause as MusubiError | undefined)?.code, 'CALLER_NOT_ALLOWED');
    t.deepEqual(calls, ['getMember']);
  });
}

test('a token that is sent twice, in another place or beside another is none', async (t) => {
  const { calls, target, port } = await serve(t);
  const client = new Client(target, credentials.createInsecure());
  t.teardown(() => client.close());
  const genuine = await gateway.token('query');
  const ask = (give: (metadata: Metadata) => void): Promise<number> =>
    new Promise((resolve) => {
      const metadata = new Metadata();
      give(metadata);
      const { path, requestSerialize, responseDeserialize } = getMember;
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { memberId: 'x', seen: undefined },
        metadata,
        (error) => resolve(error?.code ?? 0),
      );
    });
  t.is(await ask((metadata) => metadata.set(CALLER, genuine)), status.OK);
  t.is(await ask(() => undefined), status.UNAUTHENTICATED);
  const twice = (metadata: Metadata): void => {
    metadata.add(CALLER, 'forged');
    metadata.add(CALLER, genuine);
  };
  t.is(await ask(twice), status.UNAUTHENTICATED);
  const last = (metadata: Metadata): void => {
    metadata.add(CALLER, genuine);
    metadata.add(CALLER, 'forged');
  };
  t.is(await ask(last), status.UNAUTHENTICATED);
  t.is(await ask((metadata) => metadata.set(CALLER, `${genuine}, ${genuine}`)), status.UNAUTHENTICATED);
  t.is(await ask((metadata) => metadata.set(CALLER, ` Bearer ${genuine}`)), status.UNAUTHENTICATED);
  t.is(await ask((metadata) => metadata.set(`${CALLER}-bin`, Buffer.from(genuine))), status.UNAUTHENTICATED);
  t.is(await ask((metadata) => metadata.set('authorization', `Bearer ${genuine}`)), status.UNAUTHENTICATED);
  // What no library of gRPC sends.
  const session = connect(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  const raw = async (headers: Record<string, string | string[]>): Promise<string | undefined> => {
    const stream = session.request({
      ':method': 'POST',
      ':path': getMember.path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const ended = new Promise<string | undefined>((resolve) => {
      stream.on('response', (given) => given['grpc-status'] !== undefined && resolve(String(given['grpc-status'])));
      stream.on('trailers', (given) => resolve(String(given['grpc-status'])));
      stream.on('close', () => resolve(undefined));
      stream.on('error', () => resolve(undefined));
    });
    stream.resume();
    stream.end(Buffer.from([0, 0, 0, 0, 0]));
    return await ended;
  };
  t.is(await raw({ [CALLER]: genuine }), '0');
  t.is(await raw({ [CALLER]: [genuine, genuine] }), String(status.UNAUTHENTICATED));
  t.is(await raw({ [CALLER]: ['', genuine] }), String(status.UNAUTHENTICATED));
  t.is(await raw({ [CALLER]: `${genuine}x` }), String(status.UNAUTHENTICATED));
  t.is(await raw({ [CALLER]: '' }), String(status.UNAUTHENTICATED));
  t.is(calls.length, 2);
});

test('health is told to everybody, and a caller hears by it that it is not known', async (t) => {
  const { target, caller } = await serve(t);
  const until = performance.now() + 10_000;
  const ask = (proof: () => string | Promise<string>) => healthOf('query', target, caller, proof);
  const good = ask(() => gateway.token('query'));
  for (let ready = false; !ready && performance.now() < until; )
    ready = await good().then(
      () => true,
      () => false,
    );
  await t.notThrowsAsync(good());
  await t.throwsAsync(ask(() => gateway.token('auth'))(), { message: /has not proved that it is a program of this deployment/ });
  const client = new Client(target, credentials.createInsecure());
  t.teardown(() => client.close());
  const code = await new Promise<number>((resolve) =>
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      () => Buffer.alloc(0),
      (bytes: Buffer) => bytes,
      {},
      (error, answer) => resolve(error?.code ?? answer?.length ?? -1),
    ),
  );
  t.is(code, 2, 'SERVING, to a probe without a token');
});

test('what a service offers is told to strangers only where that is wanted', async (t) => {
  const { target } = await serve(t);
  const client = new Client(target, credentials.createInsecure());
  t.teardown(() => client.close());
  const call = client.makeBidiStreamRequest(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    new Metadata(),
  );
  call.resume();
  call.end();
  const [error] = await once(call, 'error');
  t.is(error.code, status.UNIMPLEMENTED);
});
