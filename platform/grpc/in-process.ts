import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { Metadata, type MethodDefinition, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { atMost } from '../concurrency/abort.ts';
import { CALL_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { clientLeft, type MusubiError } from '../errors.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import { currentSpan, SpanKind, withSpan } from '../process/telemetry.ts';
import { type CallOptions, type Peer, type Proof, toCaller } from './client.ts';
import { answer, type CallInfo, type Host, type Incoming, type Served, type Streaming, type Unary } from './handling.ts';
import { fromServiceError, toServiceError } from './status.ts';

/** What holds for the calls of a service that is served. */
interface Limits {
  /** Of a request, in bytes. */
  maxBytes: number;
  /** Milliseconds that calls under way get for their end. */
  drainMs: number;
}

/** A service that is served in this process. */
interface InProcessService extends Limits {
  host: Host;
  /** By the method's path. */
  handlers: Map<string, unknown>;
  underWay: Set<Call>;
}

type Method = MethodDefinition<unknown, unknown>;

/**
 * The in-process transport: programs of one process call each other without a socket, and for the rest as over one. A call has a
 * deadline, carries the trace, can be cancelled, and fails with the same errors; requests and responses go through the
 * same bytes, so that no object is shared. A program that is not there yet, or no more, is UNAVAILABLE.
 */
export class InProcess {
  readonly #lifecycles: ReadonlyMap<string, Lifecycle>;
  /** By the program's name: several programs may serve the same contract. */
  readonly #services = new Map<string, InProcessService>();

  /** @param lifecycles of every program of this process, by its name. Default: there is none */
  constructor(lifecycles: ReadonlyMap<string, Lifecycle> = new Map()) {
    this.#lifecycles = lifecycles;
  }

  /** Whether a program is of this process. */
  has(name: string): boolean {
    return this.#lifecycles.has(name);
  }

  /** @throws while the program can do nothing useful */
  async requireReady(name: string): Promise<void> {
    const unready = await this.#lifecycles.get(name)?.unready();
    if (!unready || Object.keys(unready).length > 0) throw new Error('is NOT_SERVING');
  }

  /**
   * Takes calls for the services of a program.
   *
   * @param host whose callers say which program it is
   * @returns what takes no more: resolves when those under way have ended, or their time is over
   */
  serve(services: readonly Served[], host: Host, limits: Limits): () => Promise<void> {
    const handlers = new Map<string, unknown>();
    for (const { definition, handlers: given } of services) {
      for (const [name, { path }] of Object.entries(definition)) handlers.set(path, (given as Record<string, unknown>)[name]);
    }
    const local: InProcessService = { ...limits, host, handlers, underWay: new Set() };
    const { service: name } = host.callers;
    this.#services.set(name, local);
    return async () => {
      this.#services.delete(name);
      const ended = Promise.allSettled([...local.underWay].map((call) => call.ended));
      await atMost(limits.drainMs, ended);
      for (const call of local.underWay) call.giveUp(unavailable('has stopped'));
    };
  }

  /**
   * A program of this process, as the others of it call it.
   *
   * @param program its name
   * @param proof says who calls; without it, it is a stranger
   */
  peer<S extends ServiceDefinition>(program: string, definition: S, proof?: Proof): Peer<S> {
    const methods = Object.entries(definition).map(([name, method]) => [
      name,
      method.responseStream ? this.#reader(program, method, proof) : this.#caller(program, method, proof),
    ]);
    return Object.fromEntries(methods) as Peer<S>;
  }

  #caller(
    program: string,
    method: Method,
    proof: Proof | undefined,
  ): (request: unknown, options?: CallOptions) => Promise<unknown> {
    const name = method.path.slice(1);
    return (request, options) =>
      withSpan(name, { kind: SpanKind.CLIENT }, async () => {
        const { local, received, call } = this.#call(program, method, request, proof?.(method.path), options);
        const handle = local.handlers.get(method.path) as Unary;
        answer(call.incoming, local.host, async (info) => method.responseSerialize(await handle(received, info))).then(
          call.end,
          call.fail,
        );
        return method.responseDeserialize(await call.ended);
      });
  }

  #reader(
    program: string,
    method: Method,
    proof: Proof | undefined,
  ): (request: unknown, options?: CallOptions) => AsyncIterable<unknown> {
    const read = this.#call.bind(this);
    return async function* (request, options) {
      const { local, received, call } = read(program, method, request, proof?.(method.path), options);
      const handle = local.handlers.get(method.path) as Streaming;
      // Like the window of a socket: who reads slowly is not sent more.
      const stream = new PassThrough({ objectMode: true });
      const send = async (info: CallInfo): Promise<void> => {
        for await (const message of handle(received, info)) {
          if (!stream.write(method.responseSerialize(message))) await once(stream, 'drain', { signal: info.signal });
          info.signal.throwIfAborted();
        }
      };
      answer(call.incoming, local.host, send).then(() => call.end(Buffer.alloc(0)), call.fail);
      let failure: MusubiError | undefined;
      call.ended
        .catch((error: MusubiError) => {
          failure = error;
        })
        .finally(() => stream.end());
      try {
        for await (const bytes of stream) yield method.responseDeserialize(bytes as Buffer);
      } finally {
        call.fail(clientLeft());
      }
      // Behind what was sent before it.
      if (failure) throw failure;
    };
  }

  /** Begins a call: who is called, what of the request arrives there, and how the call ends. @throws MusubiError */
  #call(
    program: string,
    method: Method,
    request: unknown,
    token: Incoming['token'],
    { timeoutMs = CALL_TIMEOUT_MS, signal }: CallOptions = {},
  ) {
    if (signal?.aborted) throw clientLeft();
    const local = this.#services.get(program);
    if (!local?.handlers.has(method.path)) throw unavailable('is not there');
    const bytes = method.requestSerialize(request);
    if (bytes.length > local.maxBytes) {
      const details = `Received message larger than max (${bytes.length} vs ${local.maxBytes})`;
      throw ofGrpc(status.RESOURCE_EXHAUSTED, details);
    }
    const call = new Call(method.path, token, local, timeoutMs, signal);
    return { local, received: method.requestDeserialize(bytes), call };
  }
}

/** One call: it ends once, by its answer, its deadline, its caller or the end of the service. */
class Call {
  readonly incoming: Incoming;
  /** What is answered; rejects with MusubiError. */
  readonly ended: Promise<Buffer>;
  /** Gives the caller its answer. */
  readonly end: (response: Buffer) => void;
  /** Gives the caller what the service threw: of that arrives what a socket would carry. */
  readonly fail: (error: MusubiError) => void;
  /** Ends it for both sides: the caller hears why, and the service that nobody waits. */
  readonly giveUp: (error: MusubiError) => void;

  constructor(path: string, token: Incoming['token'], local: InProcessService, timeoutMs: number, signal?: AbortSignal) {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const deadline = new Date(Date.now() + timeoutMs);
    let cancelled = (): void => undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', leave);
      local.underWay.delete(this);
    };
    this.incoming = {
      path,
      token,
      span: currentSpan(),
      deadline,
      onCancelled: (listener) => {
        cancelled = listener;
      },
    };
    this.ended = promise;
    this.end = (response) => {
      settle();
      resolve(response);
    };
    this.giveUp = (error) => {
      settle();
      reject(error);
      cancelled();
    };
    this.fail = (error) =>
      this.giveUp(toCaller(fromServiceError({ name: error.name, message: error.message, ...toServiceError(error) })));
    const leave = (): void => this.giveUp(ofGrpc(status.CANCELLED, 'Cancelled on client'));
    const late = (): void => this.giveUp(ofGrpc(status.DEADLINE_EXCEEDED, `Deadline exceeded after ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    signal?.addEventListener('abort', leave, { once: true });
    local.underWay.add(this);
  }
}

const unavailable = (how: string): MusubiError => ofGrpc(status.UNAVAILABLE, `the service ${how} in this process`);

/** An error as gRPC itself makes it. */
function ofGrpc(code: status, details: string): MusubiError {
  const error: ServiceError = Object.assign(new Error(details), { code, details, metadata: new Metadata() });
  return fromServiceError(error);
}
