import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import test from 'ava';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { Lifecycle } from '../lifecycle.ts';
import { createLogger } from '../log.ts';
import { type Handlers, serveGrpc } from './server.ts';

// What operators and their tools ask of every service: grpc.health.v1 and server reflection.

const log = createLogger('test', 'silent');
const protos = {
  health: new URL('../../node_modules/grpc-health-check/proto/health/v1/health.proto', import.meta.url).pathname,
  reflection: new URL('../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto', import.meta.url)
    .pathname,
};

const handlers: Handlers<typeof QueryServiceService> = {
  getMember: async () => ({ member: undefined }),
  listMembers: async () => ({ members: [], nextPageToken: '' }),
  awaitVersions: async () => ({}),
};

function client(file: string, path: string[], target: string): any {
  let at: any = loadPackageDefinition(loadSync(file, { enums: String }));
  for (const name of path) at = at[name];
  return new (at as ServiceClientConstructor)(target, credentials.createInsecure());
}

test('health follows readiness', async (t) => {
  const lifecycle = new Lifecycle(log, 2_000);
  let away = false;
  lifecycle.onReady('store', () => {
    if (away) throw new Error('is away');
  });
  const port = await serveGrpc({ listen: { host: '127.0.0.1', port: 0 }, log, lifecycle }, QueryServiceService, handlers);
  const health = client(decodeURI(protos.health), ['grpc', 'health', 'v1', 'Health'], `127.0.0.1:${port}`);
  const status = (): Promise<string> =>
    new Promise((resolve, reject) =>
      health.check({ service: '' }, (error: unknown, answer: any) => (error ? reject(error) : resolve(answer.status))),
    );
  const becomes = async (wanted: string): Promise<void> => {
    for (const deadline = Date.now() + 30_000; (await status()) !== wanted && Date.now() < deadline; ) await sleep(100);
    t.is(await status(), wanted);
  };
  t.is(await status(), 'NOT_SERVING', 'while it starts');
  lifecycle.markStarted();
  await becomes('SERVING');
  away = true;
  await becomes('NOT_SERVING');
  health.close();
  await lifecycle.stop('test');
});

test('reflection lists the service', async (t) => {
  const lifecycle = new Lifecycle(log, 2_000);
  const port = await serveGrpc({ listen: { host: '127.0.0.1', port: 0 }, log, lifecycle }, QueryServiceService, handlers);
  const reflection = client(decodeURI(protos.reflection), ['grpc', 'reflection', 'v1', 'ServerReflection'], `127.0.0.1:${port}`);
  const call = reflection.ServerReflectionInfo();
  call.write({ listServices: '*' });
  const [answer] = await once(call, 'data');
  call.end();
  const names = answer.listServicesResponse.service.map(({ name }: { name: string }) => name);
  t.true(names.includes('musubi.query.v1.QueryService'), names.join(', '));
  reflection.close();
  await lifecycle.stop('test');
});
