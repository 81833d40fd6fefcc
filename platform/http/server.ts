import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { invalidArgument, type MusubiError } from '../errors.ts';
import type { Address } from '../process/config.ts';
import type { Lifecycle, Phase } from '../process/lifecycle.ts';
import { type Logger, logDefect } from '../process/log.ts';
import { type Answer, refusal, send, sendLast } from './answer.ts';
import { type Connection, type ConnectionLimits, Connections } from './connections.ts';
import { type ProblemDocument, problemDocument } from './problem.ts';
import { faultOf, unknownVersion } from './request.ts';

export interface HttpLimits extends ConnectionLimits {
  /** Until the head of a request has come, ms. */
  headers: number;
  /** Until a whole request has come, ms; the answer may take longer. */
  request: number;
  /** How long nothing may move on a connection whose request is worked on, ms: longer than any work takes. */
  silence: number;
  /** How long a connection without a request is kept, ms. */
  idle: number;
  /** Until an upgrade has been done, or refused and its connection closed, ms. */
  upgrade: number;
  /** How often these are looked after, ms. */
  check: number;
  /** How long a stop lets requests finish, ms. */
  drain: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headers: 10_000,
  request: 20_000,
  silence: 90_000,
  // Longer than the 60 s of usual load balancers, so that it is they who close idle connections.
  idle: 65_000,
  unread: 60_000,
  reading: 300_000,
  upgrade: 10_000,
  check: 2_000,
  drain: 10_000,
  connections: 10_000,
  inFlight: 8,
  waiting: 100,
  waitingInAll: 10_000,
};

export interface HttpServer {
  /** What it is called in logs. */
  name: string;
  listen: Address;
  lifecycle: Lifecycle;
  /** When it stops; default: with what lets work in. */
  phase?: Phase;
  log: Logger;
  limits?: Partial<HttpLimits>;
  /**
   * Called for each well-formed request: one Host, one framing, a decodable target in origin form or `*`. `response` emits
   * `close` when it is answered or its client leaves. An exception is a defect: it is logged, and the connection is cut.
   */
  handle(request: IncomingMessage, response: ServerResponse): unknown;
  /**
   * Takes over the connection of a request for another protocol, or answers by {@link sendLast}; without it such a
   * request is answered like any other (RFC 9110, section 7.8), and the connection closed.
   *
   * @returns whether it has taken it over, and looks after it from now on; until then it has {@link HttpLimits.upgrade}
   */
  upgrade?(request: IncomingMessage, socket: Socket, head: Buffer): Promise<boolean>;
  /** Is called for each request that was refused before `handle` could see it, and who is at the other end. */
  refused?(problem: ProblemDocument, remoteAddress: string | undefined): void;
}

/**
 * Serves HTTP/1.1 to clients that may be slow, greedy or hostile: every time and every amount is bounded, what can not
 * be read is answered with a problem, and no request ends the process. A stop lets what runs finish, tells kept-alive
 * connections to go, and cuts what is left after a time.
 *
 * @returns the port, for an address that asked for port 0
 */
export async function serveHttp(server: HttpServer): Promise<number> {
  const { listen, lifecycle, log, name } = server;
  const limits = { ...HTTP_LIMITS, ...server.limits };
  const connections = new Connections(limits, log);
  const http = createServer({
    headersTimeout: limits.headers,
    requestTimeout: limits.request,
    connectionsCheckingInterval: limits.check,
    keepAliveTimeout: limits.idle,
    // Refused by us, with a problem.
    requireHostHeader: false,
  });
  http.setTimeout(limits.silence);
  http.on('connection', (socket: Socket) => connections.add(socket));

  const refuse = ({ remoteAddress }: Socket, error: MusubiError, headers?: Record<string, string>): Answer => {
    // Nobody has made a trace for it: this ID is in the log line only.
    const problem = problemDocument(error, randomBytes(16).toString('hex'));
    try {
      server.refused?.(problem, remoteAddress);
    } catch (error) {
      logDefect(log, 'what was refused could not be counted')(error);
    }
    return refusal(problem, headers);
  };
  const work = (request: IncomingMessage, response: ServerResponse): void => {
    // What follows a request for another protocol is not read as requests.
    if (lifecycle.stopping || request.headers.upgrade !== undefined) response.setHeader('Connection', 'close');
    Promise.try(() => server.handle(request, response)).catch((error: unknown) => {
      logDefect(log, `a request to the ${name} was not answered`)(error);
      request.socket.destroy();
    });
  };
  const take = (request: IncomingMessage, response: ServerResponse, fault = faultOf(request)): void => {
    const connection = connections.of(request.socket);
    connection?.take(response, () => (fault ? send(response, refuse(request.socket, fault)) : work(request, response)));
    // Where it ends and the next begins is not sure.
    if (connection && fault) connection.over = true;
  };
  http.on('request', (request, response) => take(request, response));
  http.on('checkExpectation', (request, response) => {
    const fault = faultOf(request) ?? invalidArgument('EXPECTATION_FAILED', 'Nothing but 100-continue can be expected.');
    take(request, response, fault);
  });

  /**
   * Takes the connection out of HTTP and returns it. Destroys it and returns undefined while earlier requests are
   * unanswered, because their answers would land inside the other protocol.
   */
  const detached = (socket: Socket): Socket | undefined => {
    const connection = connections.of(socket);
    socket.on('error', (error) => log.debug({ reason: error.message }, `${name}: a connection broke`));
    if (!connection || connection.over || connection.busy) {
      socket.destroy();
      return undefined;
    }
    connection.detach();
    return socket;
  };
  http.on('connect', (_request, socket: Socket) => {
    const refused = invalidArgument('METHOD_NOT_ALLOWED', 'This is no proxy: nothing can be done by CONNECT.');
    if (detached(socket)) sendLast(socket, refuse(socket, refused, { Allow: '' }));
  });
  const { upgrade } = server;
  if (upgrade) {
    http.on('upgrade', (request, socket: Socket, head) => {
      const fault = faultOf(request);
      if (!detached(socket)) return;
      if (fault) return sendLast(socket, refuse(socket, fault));
      const late = setTimeout(() => connections.cut(socket), limits.upgrade);
      socket.once('close', () => clearTimeout(late));
      Promise.try(() => upgrade(request, socket, head))
        .then((taken) => {
          if (!taken) return;
          clearTimeout(late);
          connections.forget(socket);
        })
        .catch((error: unknown) => {
          logDefect(log, `an upgrade by the ${name} was not decided`)(error);
          socket.destroy();
        });
    });
  }
  http.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.of(socket);
    if (connection && !connection.over) unreadable(error, connection, (fault) => refuse(socket, fault));
  });

  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(listen.port, listen.host, resolve);
  });
  http.on('error', (error) => connections.unaccepted(error));
  const sweep = setInterval(() => connections.sweep(), limits.check).unref();
  lifecycle.onStop(name, server.phase ?? 'intake', async () => {
    await drain(http, connections, limits.drain);
    clearInterval(sweep);
  });
  const { port } = http.address() as AddressInfo;
  log.info({ host: listen.host, port }, `${name} listens`);
  return port;
}

/**
 * Answers unreadable bytes with a problem. If they belong to a request that already runs, that request is answered with
 * the problem.
 */
function unreadable(error: NodeJS.ErrnoException, connection: Connection, refuse: (error: MusubiError) => Answer): void {
  const { socket, newest: begun } = connection;
  connection.detach();
  const halfRead = begun && !begun.req.complete;
  const left = error.code === 'ECONNRESET' || !socket.writable || (halfRead && error.code === 'HPE_INVALID_EOF_STATE');
  // Browsers open connections for later.
  const unused = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0;
  if (left || unused) {
    socket.destroy();
    return;
  }
  const fault = faultBy(error);
  if (halfRead && !begun.headersSent) {
    // It is logged and counted as any other request is.
    send(begun, refusal(problemDocument(fault, traceIdOf(begun))));
    // Node forgets a request that is answered; whoever reads the rest of it would wait for ever.
    socket.once('close', () => begun.req.destroy(fault));
    return;
  }
  const answer = halfRead ? undefined : refuse(fault);
  // Between the answers to other requests there is no place for one.
  if (!answer || connection.busy) socket.destroy();
  else sendLast(socket, answer);
}

/** Our error, by Node's. */
function faultBy({ code, message }: NodeJS.ErrnoException): MusubiError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return invalidArgument('HEADERS_TOO_LARGE', 'The target and the headers have more bytes than are read.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return invalidArgument('REQUEST_TIMEOUT');
    case 'HPE_PAUSED_H2_UPGRADE':
      return unknownVersion();
    default:
      return message.includes('Invalid HTTP version')
        ? unknownVersion()
        : invalidArgument('MALFORMED_REQUEST', 'The request could not be read.');
  }
}

/** The trace that the answer names in its headers. */
function traceIdOf(response: ServerResponse): string {
  const traceparent = response.getHeader('traceparent');
  const [, traceId] = typeof traceparent === 'string' ? traceparent.split('-') : [];
  return traceId ?? randomBytes(16).toString('hex');
}

async function drain(http: Server, connections: Connections, drainMs: number): Promise<void> {
  http.close();
  // A connection becomes idle when its last request is answered; that ends the drain.
  for (const until = performance.now() + drainMs; ; await sleep(50)) {
    http.closeIdleConnections();
    connections.closeUnused();
    if (connections.size === 0 || performance.now() >= until) break;
  }
  connections.closeAll();
}
