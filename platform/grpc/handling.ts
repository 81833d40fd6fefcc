import { type ServiceDefinition, status } from '@grpc/grpc-js';
import { type Context, type SpanContext, trace } from '@opentelemetry/api';
import { Histogram } from '@prometheus-io/client';
import { clientLeft, internal, MusubiError } from '../errors.ts';
import type { Logger } from '../process/log.ts';
import { metrics, SpanKind, withSpan } from '../process/telemetry.ts';
import type { Callers } from './callers.ts';

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

export type Unary = (request: unknown, call: CallInfo) => Promise<unknown>;
export type Streaming = (request: unknown, call: CallInfo) => AsyncIterable<unknown>;

/** A call that has come in, over a socket or from a program of the same process. */
export interface Incoming {
  /** `/musubi.auth.v1.AuthService/Authorize` */
  path: string;
  /** What proves who the caller is. */
  token: string | undefined | Promise<string>;
  /** The caller's span, if it is in a trace. */
  span: SpanContext | undefined;
  /** When the caller stops waiting. */
  deadline: Date;
  /** Has the listener called when the caller gave up or its deadline passed. */
  onCancelled(listener: () => void): void;
}

/** Whom a call came to. */
export interface Host {
  log: Logger;
  /** Who may call. */
  callers: Callers;
  /** The context that the service was started in: its spans are exported under its own name. */
  home: Context;
}

/**
 * Does what a call asks for, if the caller may, in the caller's trace and with its time measured. Errors that are not MusubiErrors are defects:
 * logged with their stack, answered as INTERNAL without it.
 *
 * @throws only MusubiErrors
 */
export async function answer<T>(
  { path, token, span, deadline, onCancelled }: Incoming,
  { log, callers, home }: Host,
  work: (info: CallInfo) => Promise<T>,
): Promise<T> {
  const name = path.slice(1);
  const end = seconds.startTimer({ method: name });
  const parent = span ? trace.setSpanContext(home, span) : home;
  const abort = new AbortController();
  let answered = false;
  // It comes after every call; to abort after the answer would only make an exception for nobody.
  onCancelled(() => {
    if (!answered) abort.abort();
  });
  try {
    await callers.admit(path, await token);
    const response = await withSpan(name, { kind: SpanKind.SERVER, parent }, () => work({ signal: abort.signal, deadline }));
    end({ status: 'OK' });
    return response;
  } catch (error) {
    let known: MusubiError;
    if (error instanceof MusubiError) known = error;
    else if (abort.signal.aborted) known = clientLeft();
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
