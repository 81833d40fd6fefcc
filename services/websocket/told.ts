import type { MusubiError } from '#platform/errors.ts';
import { problemDocument } from '#platform/http/problem.ts';
import type { ServerFrame } from './frames.ts';

/** What a client is told of an error: as by HTTP, and nothing of the inside (addresses, sockets). */
export function told(error: MusubiError): Pick<Extract<ServerFrame, { type: 'error' }>, 'code' | 'message'> {
  const { code, detail } = problemDocument(error, '');
  return { code, message: detail };
}

/** The same as the reason of a close frame, which may have 123 bytes (RFC 6455, section 5.5). */
export function reasonOf(error: MusubiError): string {
  const { code, message } = told(error);
  // Half a character at the end becomes one of three bytes.
  return Buffer.from(`${code}: ${message}`).subarray(0, 120).toString();
}
