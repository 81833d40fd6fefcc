import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type Koa from 'koa';
import type { Address } from '#platform/config.ts';
import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import { MAX_WAIT } from './prefer.ts';

/** How long a stop lets requests finish. */
const DRAIN_MS = 10_000;

/**
 * Serves the app. A client that sends slowly is cut off; a stop lets what runs finish, tells kept-alive
 * connections to go, and after ten seconds cuts what is left.
 *
 * @returns the port, for an address that asked for port 0
 */
export async function serveHttp(app: Koa, listen: Address, lifecycle: Lifecycle, log: Logger): Promise<number> {
  const answer = app.callback();
  const server = createServer(
    {
      headersTimeout: 10_000,
      // Until the whole request has come; the answer may take longer (Prefer: wait).
      requestTimeout: 20_000,
      // Longer than the 60 s of usual load balancers, so that it is they who close idle connections.
      keepAliveTimeout: 65_000,
    },
    (request, response) => {
      if (lifecycle.stopping) response.setHeader('Connection', 'close');
      void answer(request, response);
    },
  );
  // Nothing of ours takes longer than the longest wait and what comes around it.
  server.setTimeout((MAX_WAIT + 60) * 1_000);
  server.on('clientError', refuse);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  lifecycle.onStop('HTTP server', 'intake', () => drain(server));
  const { port } = server.address() as AddressInfo;
  log.info({ host: listen.host, port }, 'HTTP server listens');
  return port;
}

/** What is not HTTP never becomes a request; it is still answered with a problem. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, code, title] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'HEADERS_TOO_LARGE', 'Headers too large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'REQUEST_TIMEOUT', 'Request timeout']
        : ['400 Bad Request', 'MALFORMED_REQUEST', 'Malformed request'];
  const body = JSON.stringify({
    type: `urn:musubi:problem:${code}`,
    title,
    status: Number.parseInt(status, 10),
    detail: 'The request could not be read.',
    code,
    errors: [],
    traceId: '',
  });
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // A connection becomes idle when its last request is answered; closing it then ends the drain.
  const sweep = setInterval(() => server.closeIdleConnections(), 100);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
