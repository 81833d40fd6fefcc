import { once } from 'node:events';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Histogram } from '@prometheus-io/client';
import { HealthImplementation } from 'grpc-health-check';
import { type Address, hostPort } from '../config.ts';
import { internal, MusubiError } from '../errors.ts';
import type { Lifecycle } from '../lifecycle.ts';
import { type Logger, logDefect } from '../log.ts';
import { contextFrom, metrics, SpanKind, withSpan } from '../telemetry.ts';
import { fullName } from './contract.ts';
import { addReflection } from './reflection.ts';
import { toServiceError } from './status.ts';

const seconds = new Histogram({
  name: 'musubi_grpc_server_seconds',
  help: 'Time to answer a gRPC call, by method and status',
  labelNames: ['method', 'status'],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  registers: [metrics],
});

/** What a handler knows of the call besides its request. */
export interface CallInfo {
  /** Aborted when the caller gave up or its deadline passed: what only waits should stop. */
  signal: AbortSignal;
  /** When the caller stops waiting. */
  deadline: Date;
}

/**
 * The methods of a service as plain async functions: request in, response out, or one after the other where the contract has a
 * stream of them, which is asked for the next when the caller has room; a MusubiError thrown to refuse.
 */
export type Handlers<S extends ServiceDefinition> = {
  [M in keyof S]: S[M] extends {
    responseStream: infer Stream;
    requestDeserialize: (bytes: Buffer) => infer Request;
    responseSerialize: (value: infer Response) => Buffer;
  }
    ? (request: Request, call: CallInfo) => Stream extends true ? AsyncIterable<Response> : Promise<Response>
    : never;
};

/** A service that is served. */
export interface Served {
  definition: ServiceDefinition;
  handlers: unknown;
}

export const served = <S extends ServiceDefinition>(definition: S, handlers: Handlers<S>): Served => ({ definition, handlers });

/** What a client may ask of a server. Headers have the bounds of Node's HTTP/2: 128 fields and nine frames, 144 KiB, a call. */
const LIMITS: ServerOptions = {
  // A connection is renewed now and then, so that clients see new instances behind a headless service. It also ends what
  // nobody uses, and streams that nobody ends.
  'grpc.max_connection_age_ms': 300_000,
  'grpc.max_connection_age_grace_ms': 30_000,
  // Who does not answer a ping is gone, though nothing said so: a host that died, or a client that never spoke HTTP/2.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // Calls under way on one connection; the client has more of them wait.
  'grpc.max_concurrent_streams': 1_000,
  // Bytes. A message is held until it has come whole, which nobody hurries. Of what is sent only roles with their policies
  // are larger (Auth's limit), and nearly as large is the result of a job.
  'grpc.max_receive_message_length': 131_072,
};

/**
 * Serves a service of ours on gRPC, with health (grpc.health.v1: of the server and of its services, all following the
 * process's readiness) and reflection. Each call runs in the caller's trace. Errors that are not MusubiErrors are defects:
 * logged with their stack, answered as INTERNAL without it.
 *
 * @param limits in place of some of {@link LIMITS}
 * @param beside what else is served at the same address
 * @returns the port, for an address that asked for port 0
 */
export async function serveGrpc<S extends ServiceDefinition>(
  { listen, log, lifecycle, limits }: { listen: Address; log: Logger; lifecycle: Lifecycle; limits?: ServerOptions },
  definition: S,
  handlers: Handlers<S>,
  ...beside: Served[]
): Promise<number> {
  const server = new Server({ ...LIMITS, ...limits });
  const all = [served(definition, handlers), ...beside];
  for (const each of all) server.addService(each.definition, implementationOf(each, log));

  const names = all.map((each) => fullName(each.definition));
  const health = new HealthImplementation(Object.fromEntries(['', ...names].map((name) => [name, 'NOT_SERVING'])));
  health.addToServer(server);
  addReflection(server, names);
  let told: 'SERVING' | 'NOT_SERVING' = 'NOT_SERVING';
  const tell = (status: typeof told): void => {
    // Who watches is told of changes only.
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
  lifecycle.onStop('gRPC server', 'intake', async () => {
    clearInterval(probe);
    tell('NOT_SERVING');
    const forced = setTimeout(() => server.forceShutdown(), 5_000);
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    clearTimeout(forced);
  });
  log.debug({ port }, 'gRPC server listens');
  return port;
}

function implementationOf({ definition, handlers }: Served, log: Logger): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition)) {
    const handle = (handlers as Record<string, unknown>)[name];
    if (!handle) throw new Error(`no handler for ${method.path}`);
    implementation[name] = method.responseStream
      ? streaming(method.path, handle as Streaming, log)
      : unary(method.path, handle as Unary, log);
  }
  return implementation;
}

type Unary = (request: unknown, call: CallInfo) => Promise<unknown>;
type Streaming = (request: unknown, call: CallInfo) => AsyncIterable<unknown>;

function unary(path: string, handle: Unary, log: Logger): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    answer(path, call, (info) => handle(call.request, info), log)
      .then(
        (response) => callback(null, response),
        (error: MusubiError) => callback({ name: error.name, message: error.message, ...toServiceError(error) }),
      )
      .catch(logDefect(log, 'a call was not answered'));
  };
}

function streaming(path: string, handle: Streaming, log: Logger): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    const send = async (info: CallInfo): Promise<void> => {
      for await (const message of handle(call.request, info)) {
        if (!call.write(message)) await once(call, 'drain', { signal: info.signal });
        info.signal.throwIfAborted();
      }
    };
    answer(path, call, send, log)
      .then(
        () => call.end(),
        // What was sent before it still arrives.
        (error: MusubiError) => call.emit('error', { name: error.name, message: error.message, ...toServiceError(error) }),
      )
      .catch(logDefect(log, 'a stream was not ended'));
  };
}

/** Does what a call asks for, in the caller's trace and with its time measured. @throws only MusubiErrors */
async function answer<T>(
  path: string,
  call: ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>,
  work: (info: CallInfo) => Promise<T>,
  log: Logger,
): Promise<T> {
  const name = path.slice(1);
  const end = seconds.startTimer({ method: name });
  const abort = new AbortController();
  let answered = false;
  // It comes after every call; to abort after the answer would only make an exception for nobody.
  call.on('cancelled', () => {
    if (!answered) abort.abort();
  });
  const traceparent = call.metadata.get('traceparent')[0]?.toString();
  try {
    const response = await withSpan(name, { kind: SpanKind.SERVER, parent: contextFrom(traceparent) }, () =>
      work({ signal: abort.signal, deadline: deadlineOf(call) }),
    );
    end({ status: 'OK' });
    return response;
  } catch (error) {
    let known: MusubiError;
    if (error instanceof MusubiError) known = error;
    else if (abort.signal.aborted) known = new MusubiError(status.CANCELLED, 'CLIENT_LEFT', 'the client has left');
    else {
      log.error({ err: error, method: name }, 'a call failed on a defect');
      known = internal('INTERNAL', 'the service failed; the trace ID leads to its log');
    }
    end({ status: status[known.grpcStatus] ?? 'UNKNOWN' });
    throw known;
  } finally {
    answered = true;
  }
}

function deadlineOf(call: { getDeadline(): Date | number }): Date {
  const deadline = call.getDeadline();
  return deadline instanceof Date ? deadline : new Date(Number.isFinite(deadline) ? deadline : Date.now() + 60_000);
}
