import type { IncomingMessage, ServerResponse } from 'node:http';
import { invalidArgument, type MusubiError, notFound } from '#platform/errors.ts';
import { type Answer, refusal, SECURITY_HEADERS, send } from '#platform/http/answer.ts';
import { httpStatus, kindDocument, problemDocument, retryAfterOf } from '#platform/http/problem.ts';
import { Representation } from '#platform/http/representation.ts';
import { isClientCode } from '#platform/problems.ts';
import { hostPort } from '#platform/process/config.ts';
import { contextFrom, currentTraceId, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import { asyncApi } from './asyncapi.ts';
import { SOCKET_PATH, SUBPROTOCOL } from './domain.ts';
import { requestsRefused } from './metrics.ts';

const CONTRACT = '/asyncapi.json';
/** Where each kind of problem can be read that this server answers with: its `type`. */
const PROBLEM = /^\/problems\/(\w+)$/;

/** Answers what is asked for without an upgrade. */
export class Documents {
  readonly #host: string;
  readonly #publicUrl: string | undefined;
  readonly #origins: ReadonlySet<string>;
  #contract: Representation | undefined;

  /**
   * @param host where the server listens
   * @param publicUrl where clients find the socket; default: ws:// and where it listens
   * @param origins whose pages may read the documents
   */
  constructor(host: string, publicUrl: string | undefined, origins: ReadonlySet<string>) {
    this.#host = host;
    this.#publicUrl = publicUrl;
    this.#origins = origins;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers } = request;
    const path = pathOf(request);
    const [error, more] = refusedOf(path, method);
    response.setHeader('Vary', 'Origin, Accept-Encoding');
    if (headers.origin !== undefined && this.#origins.has(headers.origin))
      response.setHeader('Access-Control-Allow-Origin', headers.origin);
    if (error) {
      requestsRefused.inc({ code: error.code });
      send(response, await refuse(request, error, more));
    } else if (method === 'OPTIONS') response.writeHead(204, { ...SECURITY_HEADERS, Allow: methodsOf(path) }).end();
    else await sendDocument(request, response, path === CONTRACT ? this.#contractAt(request) : kindOf(path));
  }

  #contractAt({ socket }: IncomingMessage): Representation {
    const { localPort: port = 0 } = socket;
    this.#contract ??= document(
      asyncApi(new URL(this.#publicUrl ?? `ws://${hostPort({ host: this.#host, port })}${SOCKET_PATH}`)),
    );
    return this.#contract;
  }
}

const document = (value: object): Representation =>
  new Representation({ 'Content-Type': 'application/json' }, () => JSON.stringify(value));

const kindOf = (path: string): Representation => document(kindDocument(codeIn(path) ?? 'NOT_FOUND'));

function codeIn(path: string) {
  const code = PROBLEM.exec(path)?.[1] ?? '';
  return isClientCode(code) ? code : undefined;
}

async function sendDocument(request: IncomingMessage, response: ServerResponse, document: Representation): Promise<void> {
  const { bytes, headers } = await document.variantFor(request);
  const { 'Content-Type': _, 'Content-Encoding': __, ...about } = headers;
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes('*') || known.includes(headers.ETag ?? '')) response.writeHead(304, { ...SECURITY_HEADERS, ...about }).end();
  else response.writeHead(200, { ...SECURITY_HEADERS, ...headers, 'Content-Length': String(bytes.length) }).end(bytes);
}

export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

/** What can be done at a path; empty: there is nothing. */
function methodsOf(path: string): string {
  if (path === SOCKET_PATH) return 'GET, OPTIONS';
  return path === CONTRACT || codeIn(path) ? 'GET, HEAD, OPTIONS' : '';
}

type Refusal = [error: MusubiError, headers: Record<string, string>];

/** Why a request without an upgrade is not answered with what it asks for; none: it is. */
function refusedOf(path: string, method: string): Refusal | [] {
  const methods = methodsOf(path);
  if (methods === '') return [notFound('ROUTE_NOT_FOUND', `There are ${SOCKET_PATH} and ${CONTRACT}.`), {}];
  if (!methods.split(', ').includes(method))
    return [invalidArgument('METHOD_NOT_ALLOWED', `${method} can't be done here; ${methods} can.`), { Allow: methods }];
  return path === SOCKET_PATH && method === 'GET' ? upgradeRequired() : [];
}

/** With what the client must ask for (RFC 9110, section 15.5.22, and RFC 6455, section 4.4). */
export const upgradeRequired = (): Refusal => [
  invalidArgument('UPGRADE_REQUIRED', `This is a WebSocket with the subprotocol ${SUBPROTOCOL}: see ${CONTRACT}.`),
  { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', Connection: 'Upgrade, close' },
];

/** In a span of its own: an upgrade must not run in one, or all that its socket does later would belong to it. */
export function refuse({ headers }: IncomingMessage, error: MusubiError, more: Record<string, string> = {}): Promise<Answer> {
  const parent = contextFrom(headers.traceparent?.toString());
  const attributes = { 'http.response.status_code': httpStatus(error) };
  return withSpan('refuse request', { kind: SpanKind.SERVER, parent, attributes }, async () => {
    return refusal(problemDocument(error, currentTraceId() ?? ''), { ...retryAfterOf(error), ...more });
  });
}
