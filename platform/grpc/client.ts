import { type ChannelOptions, Metadata, type MethodDefinition, type ServiceDefinition, type ServiceError } from '@grpc/grpc-js';
import { CALL_TIMEOUT_MS, KEEPALIVE } from '../concurrency/timeouts.ts';
import { clientLeft, internal, type MusubiError, unavailable } from '../errors.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import { currentTraceparent, SpanKind, withSpan } from '../process/telemetry.ts';
import { RenewedClient } from './renewed-client.ts';
import { fromServiceError } from './status.ts';

/** How one call is made. */
export interface CallOptions {
  /** Milliseconds until the caller stops waiting. Default 5,000. */
  timeoutMs?: number;
  /** Ends the call when it aborts: CANCELLED. */
  signal?: AbortSignal;
}

/** The metadata that says who calls. HTTP/2 sends what it says once a connection; a name like `authorization` it would send each time. */
export const CALLER = 'musubi-caller';

/** Gives what proves to a service who calls a method of it, by the method's path. */
export type Proof = (path: string) => string | Promise<string>;

/**
 * A service's methods as promises that reject with MusubiError, or as what is read one after the other where the contract has
 * a stream of responses: it is ended by who stops reading it, and throws MusubiError.
 */
export type Peer<S extends ServiceDefinition> = {
  [M in keyof S]: S[M] extends MethodDefinition<infer Request, infer Response>
    ? (
        request: Request,
        options?: CallOptions,
      ) => S[M]['responseStream'] extends true ? AsyncIterable<Response> : Promise<Response>
    : never;
};

const CHANNEL: ChannelOptions = {
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  // A peer that comes back after a restart is found again within a second, not after minutes of backoff.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  ...KEEPALIVE,
};

/**
 * Connects to a service of ours: every call has a deadline and carries the trace
 * (`traceparent`, W3C Trace Context). Nothing is retried here: that is the workflow's part.
 *
 * @param target `host:port`, or `dns:///name:port` for all instances behind a name
 * @param proof says who calls; without it, it is a stranger
 * @param timeoutMs how long a call may take where its caller does not say
 */
export function connectPeer<S extends ServiceDefinition>(
  target: string,
  definition: S,
  lifecycle: Lifecycle,
  proof?: Proof,
  timeoutMs = CALL_TIMEOUT_MS,
): Peer<S> {
  const clients = new RenewedClient(target, CHANNEL);
  lifecycle.onStop(`peer ${target}`, 'stores', () => clients.close());
  const peer: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(definition))
    peer[name] = method.responseStream ? reader(clients, method, proof, timeoutMs) : caller(clients, method, proof, timeoutMs);
  return peer as Peer<S>;
}

/** The same peer for somebody who may leave: then what is asked of it for that one ends. */
export function boundTo<S extends ServiceDefinition>(signal: AbortSignal, peer: Peer<S>): Peer<S> {
  const bound = Object.entries(peer as Record<string, Method>).map(([name, call]): [string, Method] => [
    name,
    (request, options = {}) =>
      call(request, { ...options, signal: options.signal ? AbortSignal.any([signal, options.signal]) : signal }),
  ]);
  return Object.fromEntries(bound) as unknown as Peer<S>;
}

/**
 * That a service does not take us for one of ours is no answer to whoever we call for: it is as if the service were away
 * until our keys agree, and a defect of ours where we call what we may not.
 */
export function toCaller(error: MusubiError): MusubiError {
  if (error.code === 'CALLER_UNKNOWN')
    return unavailable('SERVICE_UNAVAILABLE', error.message, { forOperators: true, cause: error });
  if (error.code === 'CALLER_NOT_ALLOWED') return internal('INTERNAL', error.message, { forOperators: true, cause: error });
  return error;
}

type Method = (request: unknown, options?: CallOptions) => unknown;

async function metadataOf(path: string, proof: Proof | undefined): Promise<Metadata> {
  const metadata = new Metadata();
  if (proof) metadata.set(CALLER, await proof(path));
  const traceparent = currentTraceparent();
  if (traceparent) metadata.set('traceparent', traceparent);
  return metadata;
}

function reader(
  clients: RenewedClient,
  method: MethodDefinition<unknown, unknown>,
  proof: Proof | undefined,
  usualMs: number,
): Method {
  return async function* (request: unknown, { timeoutMs = usualMs, signal }: CallOptions = {}) {
    if (signal?.aborted) throw clientLeft();
    const metadata = await metadataOf(method.path, proof);
    const { client, end } = clients.begin();
    const call = client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + timeoutMs },
    );
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      yield* call;
    } catch (error) {
      throw toCaller(fromServiceError(error as ServiceError));
    } finally {
      signal?.removeEventListener('abort', cancel);
      call.on('error', () => undefined); // that it was cancelled
      call.cancel();
      end();
    }
  };
}

function caller(
  clients: RenewedClient,
  method: MethodDefinition<unknown, unknown>,
  proof: Proof | undefined,
  usualMs: number,
): Method {
  const name = method.path.slice(1);
  return (request, { timeoutMs = usualMs, signal } = {}) =>
    withSpan(name, { kind: SpanKind.CLIENT }, async () => {
      const metadata = await metadataOf(method.path, proof);
      if (signal?.aborted) throw clientLeft();
      return new Promise((resolve, reject) => {
        const { client, end } = clients.begin();
        const call = client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          metadata,
          { deadline: Date.now() + timeoutMs },
          (error: ServiceError | null, response?: unknown) => {
            end();
            signal?.removeEventListener('abort', cancel);
            if (error) reject(toCaller(fromServiceError(error)));
            else resolve(response);
          },
        );
        const cancel = (): void => call.cancel();
        signal?.addEventListener('abort', cancel, { once: true });
      });
    });
}
