import type { IncomingMessage } from 'node:http';
import { invalidArgument, type MusubiError } from '../errors.ts';

/** What the target of a request may have at most, in bytes: RFC 9110 (section 4.1) asks for 8000 to be read. */
const MAX_TARGET = 8_000;

/** `host` or `host:port`, the host a name, an IPv4 address or an IPv6 address in brackets (RFC 3986, section 3.2). */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|([\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*)(:\d*)?$/i;
const ABSOLUTE = /^https?:\/\/([^/?#]+)(.*)$/i;
const CONTROL = /\p{Cc}/u;

const malformed = (detail: string): MusubiError => invalidArgument('MALFORMED_REQUEST', detail);

/**
 * What is wrong with a request that Node could read, before anybody looks at what it asks for (RFC 9112, sections 2.3,
 * 3.2 and 6.1); undefined: nothing. Afterwards `request.url` is `*`, or begins with a slash and can be decoded,
 * also where the client gave its target in another form.
 */
export function faultOf(request: IncomingMessage): MusubiError | undefined {
  const { httpVersion } = request;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return unknownVersion();
  return faultOfHost(request) ?? faultOfFraming(request) ?? faultOfTarget(request);
}

export const unknownVersion = (): MusubiError =>
  invalidArgument('HTTP_VERSION_NOT_SUPPORTED', 'This server speaks HTTP/1.1 and HTTP/1.0.');

/** Of several Host headers Node keeps the first: whoever stands before us may have kept the last. */
function faultOfHost({ rawHeaders, headers, httpVersion }: IncomingMessage): MusubiError | undefined {
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.length === 4 && name.toLowerCase() === 'host').length;
  if (hosts > 1) return malformed('There is more than one Host header.');
  if (hosts === 0 && httpVersion === '1.1') return malformed('There is no Host header.');
  return AUTHORITY.test(headers.host ?? '') ? undefined : malformed('The Host header is no host, or host:port.');
}

/** Node checks the rest of the framing, and takes these. */
function faultOfFraming({ headers, httpVersion }: IncomingMessage): MusubiError | undefined {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return undefined;
  if (httpVersion === '1.0') return malformed('HTTP/1.0 has no Transfer-Encoding.');
  return coding.toLowerCase() === 'chunked' ? undefined : malformed('The only Transfer-Encoding that is read is chunked.');
}

function faultOfTarget(request: IncomingMessage): MusubiError | undefined {
  const { url: target = '', method } = request;
  if (target.length > MAX_TARGET) return invalidArgument('URI_TOO_LONG', `The target has more than ${MAX_TARGET} bytes.`);
  if (target === '*') return method === 'OPTIONS' ? undefined : malformed('Only OPTIONS has the target *.');
  if (target.includes('#')) return malformed('The target has a fragment, which is never sent.');
  const url = originForm(request, target);
  if (!url) return malformed('The target is neither a path nor an http URL.');
  const undecoded = faultOfEncoding(url);
  if (undecoded) return undecoded;
  request.url = url;
  return undefined;
}

/** A path with its query. The host of an absolute URL stands in for the Host header. */
function originForm({ headers }: IncomingMessage, target: string): string | undefined {
  if (target.startsWith('/')) return target;
  const [, authority, rest = ''] = ABSOLUTE.exec(target) ?? [];
  if (authority === undefined || !AUTHORITY.test(authority)) return undefined;
  headers.host = authority;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Control characters are in no path of ours; in a query the schema says it better, naming the field. */
function faultOfEncoding(url: string): MusubiError | undefined {
  if (!url.includes('%')) return undefined;
  const [path = '', ...query] = url.split('?');
  try {
    decodeURIComponent(query.join('?'));
    return CONTROL.test(decodeURIComponent(path)) ? malformed('The path must not have control characters.') : undefined;
  } catch {
    return malformed('The target has a percent-encoding that can not be decoded.');
  }
}
