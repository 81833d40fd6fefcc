import { once } from 'node:events';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { context } from '@opentelemetry/api';
import { HealthImplementation } from 'grpc-health-check';
import { KEEPALIVE } from '../concurrency/timeouts.ts';
import { MusubiError } from '../errors.ts';
import { type Address, hostPort } from '../process/config.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import { type Logger, logDefect } from '../process/log.ts';
import { spanOf } from '../process/telemetry.ts';
import type { Callers } from './callers.ts';
import { CALLER } from './client.ts';
import { fullName } from './contract.ts';
import {
  answer,
  type CallInfo,
  type Handlers,
  type Host,
  type Incoming,
  type Served,
  type Streaming,
  served,
  type Unary,
} from './handling.ts';
import type { InProcess } from './in-process.ts';
import { addReflection } from './reflection.ts';
import { toServiceError } from './status.ts';

export type { CallInfo, Handlers, Served } from './handling.ts';
export { served } from './handling.ts';

/** What a client may ask of a server. Headers have the bounds of Node's HTTP/2: 128 fields and nine frames, 144 KiB, a call. */
const LIMITS = {
  // Our clients renew theirs before (renewed-client.ts). It ends those of others, what nobody uses, and streams that nobody ends.
  'grpc.max_connection_age_ms': 360_000,
  'grpc.max_connection_age_grace_ms': 30_000,
  // Who does not answer a ping is gone, though nothing said so: a host that died, or a client that never spoke HTTP/2.
  ...KEEPALIVE,
  // Calls under way on one connection; the client has more of them wait.
  'grpc.max_concurrent_streams': 1_000,
  // Bytes. A message is held until it has come whole, which nobody hurries. Of what is sent only roles with their policies
  // are larger (Auth's limit), and nearly as large is the result of a job.
  'grpc.max_receive_message_length': 131_072,
} satisfies ServerOptions;

/** Milliseconds that calls under way get for their end when a server stops. */
const DRAIN_MS = 5_000;

/** Where a service is served, by whom, and for whom. */
interface Serving {
  listen: Address;
  callers: Callers;
  /** Whether strangers, too, are told what it serves. Default: no. */
  reflection?: boolean;
  log: Logger;
  lifecycle: Lifecycle;
  /** In place of some of the usual limits. */
  limits?: ServerOptions;
  /** Where the other programs of this process call it without a socket. */
  inProcess?: InProcess;
}

/**
 * Serves a service of ours on gRPC, with health (grpc.health.v1: of the server and of its services, all following the
 * program's readiness) and reflection, and to the other programs of this process. How a call is answered: {@link answer}.
 *
 * @param beside what is also served at the same address
 * @returns the port, for an address that asked for port 0
 */
export async function serveGrpc<S extends ServiceDefinition>(
  { listen, callers, reflection = false, log, lifecycle, limits, inProcess }: Serving,
  definition: S,
  handlers: Handlers<S>,
  ...beside: Served[]
): Promise<number> {
  const options = { ...LIMITS, ...limits };
  const server = new Server(options);
  const all = [served(definition, handlers), ...beside];
  const host = { log, callers, home: context.active() };
  for (const each of all) server.addService(each.definition, implementationOf(each, host));

  const names = all.map((each) => fullName(each.definition));
  const health = new HealthImplementation(Object.fromEntries(['', ...names].map((name) => [name, 'NOT_SERVING'])));
  health.addToServer(forAll(server, callers));
  if (reflection) addReflection(server, names);
  let told: 'SERVING' | 'NOT_SERVING' = 'NOT_SERVING';
  const tell = (status: typeof told): void => {
    // Watchers hear of changes only.
    if (status === told) return;
    told = status;
    for (const whose of ['', ...names]) health.setStatus(whose, status);
  };
  const probe = setInterval(() => {
    lifecycle
      .unready()
      .then((unready) => tell(Object.keys(unready).length === 0 && !lifecycle.stopping ? 'SERVING' : 'NOT_SERVING'))
      .catch(logDefect(log, 'the health of the gRPC server could not be told'));
  }, 1_000).unref();

  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(hostPort(listen), ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const withdraw = inProcess?.serve(all, host, { maxBytes: options['grpc.max_receive_message_length'], drainMs: DRAIN_MS });
  lifecycle.onStop('gRPC server', 'intake', async () => {
    clearInterval(probe);
    tell('NOT_SERVING');
    const withdrawn = withdraw?.();
    const forced = setTimeout(() => server.forceShutdown(), DRAIN_MS);
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    clearTimeout(forced);
    await withdrawn;
  });
  log.debug({ port }, 'gRPC server listens');
  return port;
}

/** Probes are answered whoever asks; only a caller that shows what proves who it is hears, too, whether that is known here. */
function forAll(server: Server, callers: Callers): Server {
  const addService: Server['addService'] = (definition, implementation) => {
    const check = implementation.check as handleUnaryCall<unknown, unknown>;
    const knowing: typeof check = (call, callback) => {
      const token = tokenOf(call.metadata);
      if (token === undefined) return check(call, callback);
      callers.identify(token).then(
        () => check(call, callback),
        (error: unknown) => callback(error instanceof MusubiError ? failure(error) : { code: status.INTERNAL }),
      );
    };
    server.addService(definition, { ...implementation, check: knowing });
  };
  return { addService } as Server;
}

/** What proves who calls. (HTTP/2 makes one text of what is sent twice: that is no token.) */
const tokenOf = (metadata: Metadata): string | undefined => metadata.get(CALLER)[0]?.toString();

const failure = (error: MusubiError) => ({ name: error.name, message: error.message, ...toServiceError(error) });

function implementationOf({ definition, handlers }: Served, host: Host): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition)) {
    const handle = (handlers as Record<string, unknown>)[name];
    if (!handle) throw new Error(`no handler for ${method.path}`);
    implementation[name] = method.responseStream
      ? streaming(method.path, handle as Streaming, host)
      : unary(method.path, handle as Unary, host);
  }
  return implementation;
}

function unary(path: string, handle: Unary, host: Host): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    answer(incoming(path, call), host, (info) => handle(call.request, info))
      .then(
        (response) => callback(null, response),
        (error: MusubiError) => callback(failure(error)),
      )
      .catch(logDefect(host.log, 'a call was not answered'));
  };
}

function streaming(path: string, handle: Streaming, host: Host): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    const send = async (info: CallInfo): Promise<void> => {
      for await (const message of handle(call.request, info)) {
        if (!call.write(message)) await once(call, 'drain', { signal: info.signal });
        info.signal.throwIfAborted();
      }
    };
    answer(incoming(path, call), host, send)
      .then(
        () => call.end(),
        // What was sent before it still arrives.
        (error: MusubiError) => call.emit('error', failure(error)),
      )
      .catch(logDefect(host.log, 'a stream was not ended'));
  };
}

function incoming(path: string, call: ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>): Incoming {
  const deadline = call.getDeadline();
  return {
    path,
    token: tokenOf(call.metadata),
    span: spanOf(call.metadata.get('traceparent')[0]?.toString()),
    deadline: deadline instanceof Date ? deadline : new Date(Number.isFinite(deadline) ? deadline : Date.now() + 60_000),
    onCancelled: (listener) => {
      call.on('cancelled', listener);
    },
  };
}
