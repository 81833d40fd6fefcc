import { once } from 'node:events';
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import {
  Client,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServerOptions,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import test, { type ExecutionContext } from 'ava';
import { protoPath } from 'grpc-health-check';
import { GrpcReflection } from 'grpc-js-reflection-client';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { until } from '../until.fixture.ts';
import { lettingTestsIn, TESTS } from './callers.fixture.ts';
import { CALLER } from './client.ts';
import { type Handlers, serveGrpc } from './server.ts';

// What operators and their tools ask of every service, grpc.health.v1 and server reflection, and what nobody may.

const log = createLogger('test', 'silent');
const SERVICES: Record<string, ServiceDefinition> = {
  'musubi.auth.v1.AuthService': AuthServiceService,
  'musubi.job.v1.JobService': JobServiceService,
  'musubi.member.v1.MemberService': MemberServiceService,
  'musubi.query.v1.QueryService': QueryServiceService,
  'musubi.role.v1.RoleService': RoleServiceService,
  'musubi.websocket.v1.WebsocketService': WebsocketServiceService,
};
const QUERY = 'musubi.query.v1.QueryService';

const reflectionProto = new URL(
  '../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto',
  import.meta.url,
);

/** A real server of that service, whose every method does the same. */
async function serve(
  t: ExecutionContext,
  {
    service = QUERY,
    answer = () => ({}),
    limits = {},
  }: { service?: string; answer?: (request: any) => object; limits?: ServerOptions } = {},
) {
  const lifecycle = new Lifecycle(log, 2_000);
  t.teardown(() => lifecycle.stop('test'));
  const definition = SERVICES[service] as ServiceDefinition;
  const handlers = Object.fromEntries(
    Object.keys(definition).map((method) => [method, async (request: unknown) => answer(request)]),
  );
  const listen = { host: '127.0.0.1', port: 0 };
  const port = await serveGrpc(
    { listen, callers: lettingTestsIn('any'), reflection: true, log, lifecycle, limits },
    definition,
    handlers as Handlers<ServiceDefinition>,
  );
  return { lifecycle, port, target: `127.0.0.1:${port}` };
}

type Call = (request: unknown, metadata: Metadata, then: (error: { code: number } | null, answer?: any) => void) => void;

/** A method as a promise of its answer, or of the gRPC status that it was refused with. */
async function asked(client: any, method: string, request: unknown): Promise<any> {
  const metadata = new Metadata();
  metadata.set(CALLER, await TESTS.token('any'));
  return await new Promise((resolve) =>
    (client[method] as Call)(request, metadata, (error, answer) => resolve(error ? error.code : answer)),
  );
}

function healthClient(t: ExecutionContext, target: string): any {
  const { grpc }: any = loadPackageDefinition(loadSync(protoPath, { enums: String }));
  const client = new (grpc.health.v1.Health as ServiceClientConstructor)(target, credentials.createInsecure());
  t.teardown(() => client.close());
  return client;
}

test('health follows readiness, of the server and of its service; others are not known', async (t) => {
  const { lifecycle, target } = await serve(t);
  let away = false;
  lifecycle.onReady('store', () => {
    if (away) throw new Error('is away');
  });
  const health = healthClient(t, target);
  const status = async (service: string): Promise<string> => (await asked(health, 'check', { service })).status;
  const watched: string[] = [];
  const watch = health.watch({ service: QUERY });
  watch.on('data', (answer: any) => watched.push(answer.status));
  watch.on('error', () => undefined);
  const unknown = health.watch({ service: 'musubi.job.v1.JobService' });
  unknown.on('error', () => undefined);
  const [first] = await once(unknown, 'data');
  t.is(first.status, 'SERVICE_UNKNOWN');
  t.is(await asked(health, 'check', { service: 'musubi.job.v1.JobService' }), 5, 'NOT_FOUND');

  const NOT_SERVING = ['NOT_SERVING', 'NOT_SERVING'];
  const both = () => Promise.all([status(''), status(QUERY)]);
  t.deepEqual(await both(), NOT_SERVING, 'while it starts');
  lifecycle.markStarted();
  await until(async () => (await status('')) === 'SERVING');
  t.deepEqual(await both(), ['SERVING', 'SERVING']);
  // More than one look at readiness, of which none brings news.
  await sleep(2_500);
  away = true;
  await until(async () => (await status('')) === 'NOT_SERVING');
  t.deepEqual(await both(), NOT_SERVING);
  t.deepEqual(watched, ['NOT_SERVING', 'SERVING', 'NOT_SERVING']);
  for (const call of [watch, unknown]) call.cancel();
});

const AUTH = 'musubi.auth.v1.AuthService';
const STANDARD = ['grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];

for (const [service, definition] of Object.entries(SERVICES)) {
  test(`reflection lists and describes ${service} and what it is served with, and nothing else`, async (t) => {
    const { target } = await serve(t, { service });
    for (const version of ['v1', 'v1alpha'] as const) {
      const reflection = new GrpcReflection(target, credentials.createInsecure(), {}, version);
      const methods = async (name: string): Promise<string[]> =>
        (await reflection.listMethods(name)).map(({ definition: { path } }) => path).sort();
      t.deepEqual((await reflection.listServices()).sort(), [...STANDARD, service]);
      t.deepEqual(
        await methods(service),
        Object.values(definition)
          .map(({ path }) => path)
          .sort(),
      );
      for (const name of STANDARD) t.true((await methods(name)).length > 0, name);
      const elsewhere = service === AUTH ? 'musubi.query.v1.QueryService' : AUTH;
      await t.throwsAsync(methods(elsewhere), { message: /not found/i });
    }
  });
}

test('a client that was made of what reflection told it calls the service and health', async (t) => {
  const answer = ({ accessToken }: { accessToken: string }) => ({
    memberId: `of ${accessToken}`,
    sessionId: 's',
    expiresAt: 12,
    expiresIn: 3,
  });
  const { target } = await serve(t, { service: AUTH, answer });
  const reflection = new GrpcReflection(target, credentials.createInsecure(), {}, 'v1');
  const make = async (name: string): Promise<any> => {
    const descriptor = await reflection.getDescriptorBySymbol(name);
    const root: any = descriptor.getPackageObject({ longs: Number, enums: String });
    const Made = name.split('.').reduce((at, part) => at[part], root) as ServiceClientConstructor;
    const client = new Made(target, credentials.createInsecure());
    t.teardown(() => client.close());
    return client;
  };
  const told = await asked(await make(AUTH), 'authenticate', { access_token: 'x' });
  t.like(told, { member_id: 'of x', session_id: 's', expires_at: 12, expires_in: 3 });
  t.deepEqual(await asked(await make('grpc.health.v1.Health'), 'check', { service: '' }), { status: 'NOT_SERVING' });
});

test('reflection tells what the details of errors are made of', async (t) => {
  const { target } = await serve(t);
  const reflection = new GrpcReflection(target, credentials.createInsecure(), {}, 'v1');
  for (const type of ['google.rpc.ErrorInfo', 'google.rpc.BadRequest', 'google.rpc.RetryInfo', 'google.rpc.Status'])
    t.truthy(await reflection.getDescriptorBySymbol(type), type);
});

test('what reflection tells is what was compiled, whole and with all that it imports', async (t) => {
  const { target } = await serve(t, { service: AUTH });
  const { grpc }: any = loadPackageDefinition(loadSync(fileURLToPath(reflectionProto)));
  const client = new grpc.reflection.v1.ServerReflection(target, credentials.createInsecure());
  t.teardown(() => client.close());
  const call = client.ServerReflectionInfo();
  call.write({ fileContainingSymbol: AUTH });
  const [told] = await once(call, 'data');
  call.end();
  const file = told.fileDescriptorResponse.fileDescriptorProto.map((bytes: Buffer) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  // What is imported comes first.
  const ordered = new Set<FileDescriptorProto>();
  const add = (one: FileDescriptorProto): void => {
    for (const other of file) if (one.dependency.includes(other.name)) add(other);
    ordered.add(one);
  };
  file.forEach(add);
  // Throws when anything that is imported, or is the type of a field, is not there.
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...ordered] }));
  t.is(registry.getMessage('musubi.role.v1.Role')?.field.updatedAt?.message?.typeName, 'google.protobuf.Timestamp');
});

test('who asks and does not read the answers must wait', async (t) => {
  const { port } = await serve(t, { service: AUTH });
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
  const stream: ClientHttp2Stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
  stream.on('error', () => undefined);
  stream.pause();
  const symbol = Buffer.from(AUTH);
  const question = Buffer.concat([Buffer.from([0, 0, 0, 0, symbol.length + 2, 0x22, symbol.length]), symbol]);
  // Three times what the buffers of the two ends hold.
  const ALL = 12_000;
  let taken = 0;
  const next = (): void => void stream.write(question, () => ++taken < ALL && next());
  next();
  for (let before = -1; taken !== before; await sleep(500)) before = taken;
  t.log(`${taken} of ${ALL} were taken in`);
  t.true(taken < ALL);
  // And goes on when they are read.
  stream.resume();
  await until(() => taken === ALL);
});

test('a message that is too large, or has too many headers, is refused, and the server goes on', async (t) => {
  const { target } = await serve(t);
  const { getMember } = QueryServiceService;
  const client = new Client(target, credentials.createInsecure());
  t.teardown(() => client.close());
  const token = await TESTS.token('any');
  const ask = (memberId: string, metadata = new Metadata()): Promise<number> =>
    new Promise((resolve) => {
      metadata.set(CALLER, token);
      const { path, requestSerialize, responseDeserialize } = getMember;
      const deadline = Date.now() + 30_000;
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { memberId, seen: undefined },
        metadata,
        { deadline },
        (error) => resolve(error?.code ?? 0),
      );
    });
  t.is(await ask('x'.repeat(131_000)), 0);
  t.is(await ask('x'.repeat(132_000)), 8, 'RESOURCE_EXHAUSTED');
  const many = new Metadata();
  for (let i = 0; i < 200; i++) many.set(`x-${i}`, 'y');
  t.is(await ask('x', many), 8);
  const large = new Metadata();
  large.set('x', 'y'.repeat(1_000_000));
  t.not(await ask('x', large), 0);
  t.is(await ask('x'), 0);
});

test('more calls at once than a connection may have wait in the client', async (t) => {
  const { port } = await serve(t);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  const [settings] = await once(session, 'remoteSettings');
  t.is(settings.maxConcurrentStreams, 1_000);
});

test('a connection on which nobody answers is cut, also when it never was HTTP/2', async (t) => {
  const limits = { 'grpc.keepalive_time_ms': 200, 'grpc.keepalive_timeout_ms': 200 };
  const { port } = await serve(t, { limits });
  for (const bytes of ['', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    socket.write(bytes);
    await once(socket, 'end');
    socket.destroy();
  }
  t.pass();
});
