import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ProblemDocument } from './problem.ts';

/**
 * What every answer says to browsers: an API has nothing to run, frame or sniff, and nothing that a cache may keep.
 * What is meant otherwise (documents, keys) says so in its answer.
 */
export const SECURITY_HEADERS = {
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
} as const;

/** How long a client may take to read the last answer of its connection and close it, ms. */
const LINGER_MS = 2_000;

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * The answer to what is refused before it is a request that can be worked on: the connection is closed after it.
 *
 * @param headers more of them, or in place of these
 */
export function refusal(problem: ProblemDocument, headers: Record<string, string> = {}): Answer {
  const body = JSON.stringify(problem);
  return {
    status: problem.status,
    headers: {
      ...SECURITY_HEADERS,
      'Content-Type': 'application/problem+json',
      'Content-Length': String(Buffer.byteLength(body)),
      Connection: 'close',
      ...headers,
    },
    body,
  };
}

export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body);
}

/**
 * Sends an answer without a response object and ends the connection. Bytes that still arrive are discarded: closing with
 * unread bytes resets the connection and may lose the answer. A client that does not close is cut.
 */
export function sendLast(socket: Duplex, { status, headers, body }: Answer): void {
  const lines = Object.entries({ ...headers, Date: new Date().toUTCString() }).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => undefined);
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(cut));
  socket.resume();
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}
