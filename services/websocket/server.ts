import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { type Address, hostPort } from '#platform/config.ts';
import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import { contextFrom, currentTraceId, SpanKind, withSpan } from '#platform/telemetry.ts';
import { type Admission, admit, Refused, type SessionContext } from './admission.ts';
import { asyncApi } from './asyncapi.ts';
import { MAX_FRAGMENTS, MAX_FRAME_BYTES, MAX_PIECES, SOCKET_PATH, SUBPROTOCOL } from './domain.ts';
import { Session } from './session.ts';

/**
 * Serves the socket at {@link SOCKET_PATH} and its contract at /asyncapi.json.
 *
 * A token in the upgrade's Authorization header is checked, and the socket registered, before the
 * upgrade is answered: once a client sees its socket open, it gets everything that happens.
 *
 * @param publicUrl where clients find the socket; default: ws:// and where it listens
 * @returns the port
 */
export async function serveSockets({
  listen,
  publicUrl,
  context,
  log,
  lifecycle,
}: {
  listen: Address;
  publicUrl?: string;
  context: SessionContext;
  log: Logger;
  lifecycle: Lifecycle;
}): Promise<number> {
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_PIECES,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
    // For who says goodbye and stays. Not in the library's types yet.
    closeTimeout: context.limits.goodbyeMs,
  };
  const sockets = new WebSocketServer(options);
  let contract = '';
  const server = createServer((request, response) => {
    answer(request, response, contract).catch((error: unknown) => {
      log.error({ err: error }, 'a request failed on a defect');
      response.destroy();
    });
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', (error) => log.debug({ reason: error.message }, 'an upgrade failed'));
    upgrade(request, socket, head).catch((error: unknown) => {
      log.error({ err: error }, 'an upgrade failed on a defect');
      socket.destroy();
    });
  });

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (pathOf(request) !== SOCKET_PATH) return refuse(request, socket, 404, 'NOT_FOUND', `sockets are at ${SOCKET_PATH}`);
    if (context.hub.stopping) return refuse(request, socket, 503, 'UNAVAILABLE', 'the server stops');
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (!protocols.includes(SUBPROTOCOL)) {
      return refuse(request, socket, 400, 'SUBPROTOCOL_REQUIRED', `the subprotocol must be ${SUBPROTOCOL}`);
    }
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const outcome = token ? await admit(context, token).catch(refused) : undefined;
    let session: Session | undefined;
    sockets.handleUpgrade(request, socket, head, (ws: WebSocket) => {
      session = new Session(ws, socket, context, outcome);
    });
    // The client left meanwhile, or its handshake was wrong.
    if (!session && outcome && !(outcome instanceof Refused)) await forget(outcome);
  }

  function forget({ identity, socketId }: Admission): Promise<void> {
    return context.store.unregister(identity.memberId, socketId);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  contract = JSON.stringify(asyncApi(new URL(publicUrl ?? `ws://${hostPort({ host: listen.host, port })}${SOCKET_PATH}`)));
  lifecycle.onStop('socket server', 'intake', () => {
    server.close();
    server.closeIdleConnections();
  });
  log.debug({ port }, 'socket server listens');
  return port;
}

function refused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  throw error;
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

/** What is asked for without an upgrade. */
async function answer(request: IncomingMessage, response: ServerResponse, contract: string): Promise<void> {
  const path = pathOf(request);
  if (path === '/asyncapi.json' && (request.method === 'GET' || request.method === 'HEAD')) {
    response.writeHead(200, { 'content-type': 'application/json', 'access-control-allow-origin': '*' }).end(contract);
  } else if (path === '/asyncapi.json') {
    response.setHeader('allow', 'GET, HEAD');
    await problem(request, response, 405, 'METHOD_NOT_ALLOWED', 'only GET and HEAD');
  } else if (path === SOCKET_PATH) {
    response.setHeader('upgrade', 'websocket').setHeader('connection', 'upgrade');
    await problem(
      request,
      response,
      426,
      'UPGRADE_REQUIRED',
      `this is a WebSocket with the subprotocol ${SUBPROTOCOL}: see /asyncapi.json`,
    );
  } else {
    await problem(request, response, 404, 'NOT_FOUND', `there are ${SOCKET_PATH} and /asyncapi.json`);
  }
}

async function problem(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
): Promise<void> {
  const body = await problemBody(request, status, code, detail);
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(body);
}

/** A span of its own: an upgrade must not run in one, or all that its socket does later would belong to it. */
function problemBody({ headers }: IncomingMessage, status: number, code: string, detail: string): Promise<string> {
  const parent = contextFrom(headers.traceparent?.toString());
  return withSpan(
    'refuse request',
    { kind: SpanKind.SERVER, parent, attributes: { 'http.response.status_code': status } },
    async () =>
      JSON.stringify({
        type: 'about:blank',
        title: STATUS_CODES[status],
        status,
        code,
        detail,
        errors: [],
        traceId: currentTraceId() ?? '',
      }),
  );
}

/** Answers an upgrade that is none; there is no response object for those. */
async function refuse(request: IncomingMessage, socket: Duplex, status: number, code: string, detail: string): Promise<void> {
  const body = await problemBody(request, status, code, detail);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
