import { readFileSync } from 'node:fs';
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { Histogram } from '@prometheus-io/client';
import { HealthImplementation } from 'grpc-health-check';
import { type Address, hostPort } from '../config.ts';
import { internal, MusubiError } from '../errors.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { contextFrom, metrics, SpanKind, withSpan } from '../telemetry.ts';
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

/**
 * Serves one service of ours on gRPC, with health (grpc.health.v1, following the process's readiness)
 * and reflection. Each call runs in the caller's trace. Errors that are not MusubiErrors are defects:
 * logged with their stack, answered as INTERNAL without it.
 *
 * @returns the port, for an address that asked for port 0
 */
export async function serveGrpc<S extends ServiceDefinition>(
  { listen, log, lifecycle }: { listen: Address; log: Logger; lifecycle: Lifecycle },
  definition: S,
  handlers: Handlers<S>,
): Promise<number> {
  // A connection is renewed now and then, so that clients see new instances behind a headless service.
  const server = new Server({ 'grpc.max_connection_age_ms': 300_000, 'grpc.max_connection_age_grace_ms': 30_000 });
  const untyped = handlers as unknown as Record<string, (request: unknown, call: CallInfo) => Promise<unknown>>;
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition)) {
    const handle = untyped[name];
    if (!handle) throw new Error(`no handler for ${method.path}`);
    implementation[name] = unary(method.path, handle, log);
  }
  server.addService(definition, implementation);

  const health = new HealthImplementation({ '': 'NOT_SERVING' });
  health.addToServer(server);
  const probe = setInterval(() => {
    void lifecycle
      .unready()
      .then((unready) => health.setStatus('', Object.keys(unready).length === 0 ? 'SERVING' : 'NOT_SERVING'));
  }, 1_000).unref();

  const descriptors = readFileSync(new URL('../gen/descriptors.binpb', import.meta.url));
  new ReflectionService(loadFileDescriptorSetFromBuffer(descriptors)).addToServer(server);

  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(hostPort(listen), ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  lifecycle.onStop('gRPC server', 'intake', async () => {
    clearInterval(probe);
    health.setStatus('', 'NOT_SERVING');
    const forced = setTimeout(() => server.forceShutdown(), 5_000);
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    clearTimeout(forced);
  });
  log.debug({ port }, 'gRPC server listens');
  return port;
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
    ).then(
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
    );
  };
}

function deadlineOf(call: ServerUnaryCall<unknown, unknown>): Date {
  const deadline = call.getDeadline();
  return deadline instanceof Date ? deadline : new Date(Number.isFinite(deadline) ? deadline : Date.now() + 60_000);
}
