import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { invalidArgument, type MusubiError, notFound, permissionDenied, unavailable } from '#platform/errors.ts';
import { sendLast } from '#platform/http/answer.ts';
import { type HttpLimits, serveHttp } from '#platform/http/server.ts';
import type { Address } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { type Admission, admit, Refused, type SessionContext } from './admission.ts';
import { Documents, pathOf, refuse, upgradeRequired } from './documents.ts';
import { MAX_FRAGMENTS, MAX_FRAME_BYTES, MAX_PIECES, SOCKET_PATH, SUBPROTOCOL } from './domain.ts';
import { requestsRefused } from './metrics.ts';
import { Session } from './session.ts';

export interface SocketServer {
  listen: Address;
  /** Where clients find the socket; default: ws:// and where it listens. */
  publicUrl?: string;
  /** Whose pages may open sockets. Who is no browser says no origin, and may. */
  origins: ReadonlySet<string>;
  context: SessionContext;
  log: Logger;
  lifecycle: Lifecycle;
  limits?: Partial<HttpLimits>;
}

/**
 * Serves the socket at {@link SOCKET_PATH} and what tells of it.
 *
 * A token in the upgrade's Authorization header is checked, and the socket registered, before the
 * upgrade is answered: once a client sees its socket open, it gets everything that happens.
 *
 * @returns the port
 */
export async function serveSockets(server: SocketServer): Promise<number> {
  const { listen, publicUrl, origins, context, log, lifecycle, limits } = server;
  const documents = new Documents(listen.host, publicUrl, origins);
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
  const turnAway = async (request: IncomingMessage, socket: Socket, error: MusubiError, headers?: Record<string, string>) => {
    requestsRefused.inc({ code: error.code });
    sendLast(socket, await refuse(request, error, headers));
    return false;
  };
  // Headers of the handshake that are not what they must be (RFC 6455, section 4.2.1).
  sockets.on('wsClientError', (error, socket, request) => {
    turnAway(request, socket as Socket, invalidArgument('MALFORMED_REQUEST', error.message)).catch(() => socket.destroy());
  });

  /** Why there is no socket for this request, whoever asks; undefined: there may be. */
  function refusalOf(request: IncomingMessage): MusubiError | undefined {
    const { headers } = request;
    if (pathOf(request) !== SOCKET_PATH) return notFound('ROUTE_NOT_FOUND', `Sockets are at ${SOCKET_PATH}.`);
    if (headers.origin !== undefined && !origins.has(headers.origin)) return permissionDenied('ORIGIN_REFUSED');
    if ((request.headersDistinct.authorization?.length ?? 0) > 1)
      return invalidArgument('MALFORMED_REQUEST', 'There is more than one Authorization header.');
    if (context.hub.stopping) return unavailable('SERVICE_UNAVAILABLE', 'the server stops', { retryAfterSeconds: 1 });
    const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (!protocols.includes(SUBPROTOCOL))
      return invalidArgument('SUBPROTOCOL_REQUIRED', `The subprotocol must be ${SUBPROTOCOL}.`);
    return undefined;
  }

  async function upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<boolean> {
    const refusal = refusalOf(request);
    if (refusal) return turnAway(request, socket, refusal);
    if (request.headers['sec-websocket-version'] !== '13' || request.headers.upgrade?.toLowerCase() !== 'websocket')
      return turnAway(request, socket, ...upgradeRequired());
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const outcome = token ? await admit(context, token).catch(refused) : undefined;
    let session: Session | undefined;
    sockets.handleUpgrade(request, socket, head, (ws: WebSocket) => {
      session = new Session(ws, socket, context, outcome);
    });
    // The client left meanwhile, or its handshake was wrong.
    if (!session && outcome && !(outcome instanceof Refused)) await forget(outcome);
    return session !== undefined;
  }

  function forget({ identity, socketId }: Admission): Promise<void> {
    return context.hub.unregister({ memberId: identity.memberId, socketId });
  }

  return serveHttp({
    name: 'socket server',
    listen,
    lifecycle,
    log,
    limits,
    handle: (request, response) => documents.answer(request, response),
    upgrade,
    refused: ({ code }) => requestsRefused.inc({ code }),
  });
}

function refused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  throw error;
}
