import { randomBytes } from 'node:crypto';
import { createServer, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type Koa from 'koa';
import type { Address } from '#platform/config.ts';
import { invalidArgument } from '#platform/errors.ts';
import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import type { CodeOf } from '#platform/problems.ts';
import { observeUnreadable } from './middleware/observe.ts';
import { MAX_WAIT } from './prefer.ts';
import { problemOf } from './problem.ts';

/** How long clients, and a stop, may take: ms. */
export const HTTP_TIMES = {
  /** Until a request's headers have come. */
  headers: 10_000,
  /** Until the whole request has come; the answer may take longer (Prefer: wait). */
  request: 20_000,
  /** How often these two are looked after. */
  check: 2_000,
  /** How long a stop lets requests finish. */
  drain: 10_000,
};

/** How long the first bytes of a new connection may be under way, ms: a stop does not take it for an unused one. */
const ARRIVING_MS = 500;

/**
 * Serves the app. A client that sends slowly is cut off; a stop lets what runs finish, tells kept-alive
 * connections to go, and after ten seconds cuts what is left.
 *
 * @returns the port, for an address that asked for port 0
 */
export async function serveHttp(
  app: Koa,
  listen: Address,
  lifecycle: Lifecycle,
  log: Logger,
  times = HTTP_TIMES,
): Promise<number> {
  const answer = app.callback();
  /** By connection, the newest request that is not answered. */
  const underWay = new WeakMap<Socket, ServerResponse>();
  const server = createServer(
    {
      headersTimeout: times.headers,
      requestTimeout: times.request,
      connectionsCheckingInterval: times.check,
      // Longer than the 60 s of usual load balancers, so that it is they who close idle connections.
      keepAliveTimeout: 65_000,
    },
    (request, response) => {
      const { socket } = request;
      underWay.set(socket, response);
      response.once('close', () => {
        if (underWay.get(socket) === response) underWay.delete(socket);
      });
      if (lifecycle.stopping) response.setHeader('Connection', 'close');
      void answer(request, response);
    },
  );
  // Nothing of ours takes longer than the longest wait and what comes around it.
  server.setTimeout((MAX_WAIT + 60) * 1_000);
  /** When they were accepted, in ms of `performance.now()`. */
  const connections = new Map<Socket, number>();
  server.on('connection', (socket: Socket) => {
    connections.set(socket, performance.now());
    socket.once('close', () => connections.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket, underWay.get(socket), log));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  lifecycle.onStop('HTTP server', 'intake', () => drain(server, connections, times.drain));
  const { port } = server.address() as AddressInfo;
  log.info({ host: listen.host, port }, 'HTTP server listens');
  return port;
}

/**
 * Answers what could not be read with a problem, and sees that it is logged and counted once: here, unless it is the
 * rest of a request that has begun, which ends in the access log like any other.
 *
 * @param begun the newest request of the connection that is not answered
 */
function refuse(error: NodeJS.ErrnoException, socket: Socket, begun: ServerResponse | undefined, log: Logger): void {
  const halfRead = begun && !begun.req.complete;
  const left = error.code === 'ECONNRESET' || !socket.writable || (halfRead && error.code === 'HPE_INVALID_EOF_STATE');
  const refusal = invalidArgument(CODES[error.code ?? ''] ?? 'MALFORMED_REQUEST', 'The request could not be read.');
  const problem = problemOf(refusal, traceIdOf(halfRead ? begun : undefined));
  if (!halfRead && !left) observeUnreadable(log, problem);
  // Between the answers to other requests there is no place for one.
  if (left || begun?.headersSent || (begun && !halfRead)) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(problem);
  const headers = {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  };
  if (begun) {
    begun.writeHead(problem.status, headers).end(body);
    // Node forgets a request that is answered; whoever reads the rest of it would wait for ever.
    socket.once('close', () => begun.req.destroy(refusal));
    return;
  }
  const status = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`;
  const head = [status, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Our code, by Node's. */
const CODES: Partial<Record<string, CodeOf<'INVALID_ARGUMENT'>>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

/** The trace that the request was told it is in; for what never became one, an ID that is in its log line and nowhere else. */
function traceIdOf(response: ServerResponse | undefined): string {
  const traceparent = response?.getHeader('traceparent');
  const [, traceId] = typeof traceparent === 'string' ? traceparent.split('-') : [];
  return traceId ?? randomBytes(16).toString('hex');
}

async function drain(server: Server, connections: ReadonlyMap<Socket, number>, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const closeIdle = (): void => {
    server.closeIdleConnections();
    // Node does not count those that were opened for later, and never used.
    const opened = performance.now() - ARRIVING_MS;
    for (const [socket, at] of connections) if (socket.bytesRead === 0 && at < opened) socket.destroy();
  };
  closeIdle();
  // A connection becomes idle when its last request is answered; closing it then ends the drain.
  const sweep = setInterval(closeIdle, 100);
  const cut = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
