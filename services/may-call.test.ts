import { Client, credentials, Metadata, type ServiceDefinition, status } from '@grpc/grpc-js';
import test from 'ava';
import { Caller, callerKeys, keyVariable, newCallerKeys } from '#platform/grpc/callers.ts';
import { CALLER } from '#platform/grpc/client.ts';
import { hasOperationId } from '#platform/grpc/contract.ts';
import { InProcess } from '#platform/grpc/in-process.ts';
import { type Handlers, served } from '#platform/grpc/server.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { ErasureServiceService } from '#proto/musubi/erasure/v1/erasure.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { CALLERS, type CallerName, type Entry, SERVICES } from './catalogue.ts';
import { calledBy, MAY_CALL } from './may-call.ts';
import { serve } from './serve.ts';

// The table of who may call what: read as it is written, and as real servers hold to it.

const keys = newCallerKeys(CALLERS);
const callers = CALLERS.map((name) => new Caller(name, keys[keyVariable(name)] ?? ''));
/** What services serve beside their contracts. */
const BESIDE: readonly ServiceDefinition[] = [StateServiceService, ErasureServiceService];
const entries = Object.entries(SERVICES) as [string, Entry][];

/** Handlers of a contract that answer everything with an empty message. */
const idle = (contract: ServiceDefinition): Handlers<ServiceDefinition> =>
  Object.fromEntries(
    Object.entries(contract).map(([name, { responseStream, responseDeserialize }]) => [
      name,
      responseStream ? async function* () {} : async () => responseDeserialize(Buffer.alloc(0)),
    ]),
  ) as never;

/** The gRPC status of a call with an empty request. */
function ask(client: Client, method: ServiceDefinition[string], token?: string): Promise<status> {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set(CALLER, token);
  const { path } = method;
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    if (method.responseStream) {
      const call = client.makeServerStreamRequest(path, same, same, Buffer.alloc(0), metadata);
      call.on('error', ({ code }: Error & { code?: status }) => resolve(code ?? status.UNKNOWN));
      call.on('end', () => resolve(status.OK));
      call.resume();
    } else client.makeUnaryRequest(path, same, same, Buffer.alloc(0), metadata, (error) => resolve(error?.code ?? status.OK));
  });
}

for (const [service, { contract }] of entries) {
  test(`${service} does for each caller what the table says, and nothing else`, async (t) => {
    const log = createLogger('test', 'silent');
    const lifecycle = new Lifecycle(log, 2_000);
    const config = {
      MUSUBI_GRPC_LISTEN: { host: '127.0.0.1', port: 0 },
      MUSUBI_CALLERS: callerKeys().parse(keys.MUSUBI_CALLERS),
      MUSUBI_GRPC_REFLECTION: 'off' as const,
      MUSUBI_LOG_LEVEL: 'info' as const,
    };
    const beside = BESIDE.map((each) => served(each, idle(each)));
    const port = await serve({ config, log, lifecycle, inProcess: new InProcess() }, contract, idle(contract), ...beside);
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    t.teardown(() => {
      client.close();
      return lifecycle.stop('test');
    });
    let tried = 0;
    for (const method of [contract, ...BESIDE].flatMap((each) => Object.values(each))) {
      const { path } = method;
      const may = MAY_CALL.get(path) ?? new Set();
      t.true(may.size > 0, `${path}: nobody may call it; say in services/catalogue.ts who may`);
      for (const caller of callers) {
        const expected = may.has(caller.name) ? status.OK : status.PERMISSION_DENIED;
        t.is(await ask(client, method, await caller.token(service)), expected, `${caller.name} ${path}`);
        t.is(await ask(client, method, await caller.token(service === 'auth' ? 'job' : 'auth')), status.UNAUTHENTICATED, path);
        tried++;
      }
      t.is(await ask(client, method), status.UNAUTHENTICATED, `a stranger, ${path}`);
    }
    t.is(tried, [contract, ...BESIDE].flatMap((each) => Object.keys(each)).length * CALLERS.length);
  });
}

test('what the catalogue names is a method of the contract, and no step', (t) => {
  for (const [service, { contract, calledBy: named = {} }] of entries) {
    for (const [caller, methods] of Object.entries(named)) {
      t.true((CALLERS as readonly string[]).includes(caller), `${service}: ${caller}`);
      t.deepEqual(methods, [...new Set(methods)], `${service}: ${caller}`);
      for (const name of methods) {
        const method = contract[name];
        t.truthy(method, `${service} has no ${name}`);
        if (method && name !== 'closeSockets')
          t.false(hasOperationId(method), `${service}.${name} is a step: sagas alone may call it`);
      }
    }
  }
});

test('what changes rights, and every other step, is done for sagas alone', (t) => {
  const whoMay = (path: string): CallerName[] => [...(MAY_CALL.get(path) ?? [])] as CallerName[];
  for (const name of ['GrantRoles', 'BindLogin', 'RebindLogin', 'RemoveLogin', 'Undo', 'ListOperations'])
    t.deepEqual(whoMay(`/musubi.auth.v1.AuthService/${name}`), ['sagas'], name);
  for (const [, { contract }] of entries)
    for (const method of Object.values(contract))
      if (hasOperationId(method) && !method.path.endsWith('/CloseSockets'))
        t.deepEqual(whoMay(method.path), ['sagas'], method.path);
  // It keeps no record and does no harm, and Auth ends sessions by itself, too.
  t.deepEqual(whoMay('/musubi.websocket.v1.WebsocketService/CloseSockets'), ['sagas', 'auth']);
  t.deepEqual(whoMay('/musubi.auth.v1.AuthService/PutRoles'), ['bootstrap']);
  t.deepEqual(whoMay('/musubi.state.v1.StateService/RaiseVersions'), ['operator']);
});

test('a caller has the methods only that it may call', (t) => {
  t.deepEqual(Object.keys(calledBy('websocket')), ['auth', 'job', 'chat']);
  t.deepEqual(Object.keys(calledBy('websocket').job), ['getJob']);
  // @ts-expect-error: the types know it, too
  t.is(calledBy('websocket').job.finishJob, undefined);
  // @ts-expect-error: a gateway does no step
  t.is(calledBy('gateway').auth.grantRoles, undefined);
  t.truthy(calledBy('sagas').auth.grantRoles);
  t.false('callers' in calledBy('operator').job);
});
