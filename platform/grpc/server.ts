import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServerUnaryCall,
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

/** The methods of a service as plain async functions: request in, response out, a MusubiError thrown to refuse. */
export type Handlers<S extends ServiceDefinition> = {
  [M in keyof S]: S[M] extends {
    requestDeserialize: (bytes: Buffer) => infer Request;
    responseSerialize: (value: infer Response) => Buffer;
  }
    ? (request: Request, call: CallInfo) => Promise<Response>
    : never;
};

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
 * Serves one service of ours on gRPC, with health (grpc.health.v1: of the server and of the service, both following the
 * process's readiness) and reflection. Each call runs in the caller's trace. Errors that are not MusubiErrors are defects:
 * logged with their stack, answered as INTERNAL without it.
 *
 * @param limits in place of some of {@link LIMITS}
 * @returns the port, for an address that asked for port 0
 */
export async function serveGrpc<S extends ServiceDefinition>(
  { listen, log, lifecycle, limits }: { listen: Address; log: Logger; lifecycle: Lifecycle; limits?: ServerOptions },
  definition: S,
  handlers: Handlers<S>,
): Promise<number> {
  const server = new Server({ ...LIMITS, ...limits });
  const untyped = handlers as unknown as Record<string, (request: unknown, call: CallInfo) => Promise<unknown>>;
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition)) {
    const handle = untyped[name];
    if (!handle) throw new Error(`no handler for ${method.path}`);
    implementation[name] = unary(method.path, handle, log);
  }
  server.addService(definition, implementation);

  const name = serviceOf(definition);
  const health = new HealthImplementation({ '': 'NOT_SERVING', [name]: 'NOT_SERVING' });
  health.addToServer(server);
  addReflection(server, name);
  let told: 'SERVING' | 'NOT_SERVING' = 'NOT_SERVING';
  const tell = (status: typeof told): void => {
    // Who watches is told of changes only.
    if (status === told) return;
    told = status;
    for (const whose of ['', name]) health.setStatus(whose, status);
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

/** The full name of a service: `musubi.auth.v1.AuthService`. */
function serviceOf(definition: ServiceDefinition): string {
  const [, name = ''] = Object.values(definition)[0]?.path.split('/') ?? [];
  return name;
}

function unary(
  path: string,
  handle: (request: unknown, call: CallInfo) => Promise<unknown>,
  log: Logger,
): handleUnaryCall<unknown, unknown> {
  const name = path.slice(1);
  return (call, callback) => {
    const end = seconds.startTimer({ method: name });
    const abort = new AbortController();
    let answered = false;
    // It comes after every call; to abort after the answer would only make an exception for nobody.
    call.on('cancelled', () => {
      if (!answered) abort.abort();
    });
    const traceparent = call.metadata.get('traceparent')[0]?.toString();
    withSpan(name, { kind: SpanKind.SERVER, parent: contextFrom(traceparent) }, () =>
      handle(call.request, { signal: abort.signal, deadline: deadlineOf(call) }),
    )
      .then(
        (response) => {
          answered = true;
          end({ status: 'OK' });
          callback(null, response);
        },
        (error: unknown) => {
          answered = true;
          let known: MusubiError;
          if (error instanceof MusubiError) known = error;
          else {
            log.error({ err: error, method: name }, 'a call failed on a defect');
            known = internal('INTERNAL', 'the service failed; the trace ID leads to its log');
          }
          end({ status: status[known.grpcStatus] ?? 'UNKNOWN' });
          callback({ name: known.name, message: known.message, ...toServiceError(known) });
        },
      )
      .catch(logDefect(log, 'a call was not answered'));
  };
}

function deadlineOf(call: ServerUnaryCall<unknown, unknown>): Date {
  const deadline = call.getDeadline();
  return deadline instanceof Date ? deadline : new Date(Number.isFinite(deadline) ? deadline : Date.now() + 60_000);
}
