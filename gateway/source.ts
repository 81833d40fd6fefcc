import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Middleware } from 'koa';

/** The addresses of the proxies that are believed when they say for whom they ask. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /** @throws when one of them is neither an address nor a CIDR range */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = '', bits, ...more] = range.split('/');
      const version = isIP(address);
      const family = version === 6 ? 'ipv6' : 'ipv4';
      const longest = version === 6 ? 128 : 32;
      const prefix = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
      if (version === 0 || more.length > 0 || prefix < 0 || prefix > longest)
        throw new Error(`${range} is no address and no CIDR range`);
      this.#list.addSubnet(address, prefix, family);
    }
  }

  has(address: string): boolean {
    return this.#list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

const NONE = new TrustedProxies([]);

/**
 * Where a request comes from, as far as clients can be told apart: an IPv4 address, or an IPv6 network of 64 bits
 * (`2001:db8:0:1::/64`), in which a client can take any address.
 *
 * That is the other end of the connection; behind trusted proxies the right-most address of `X-Forwarded-For` that is
 * not one of them, for what stands further left anybody may have written.
 *
 * @returns empty when nobody knows: the connection is gone
 */
export function sourceOf(remoteAddress: string | undefined, forwardedFor = '', proxies = NONE): string {
  let source = plain(remoteAddress ?? '');
  const hops = forwardedFor.split(',');
  while (source !== '' && proxies.has(source)) {
    // Some proxies tell the port as well.
    const hop = plain(
      /^\s*(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+|([^\s]*))\s*$/
        .exec(hops.pop() ?? '')
        ?.slice(1)
        .find(Boolean) ?? '',
    );
    // What a trusted proxy did not write in order is as good as nothing: then it is the source itself.
    if (hop === '') break;
    source = hop;
  }
  return isIPv6(source) ? network(source) : source;
}

/** Finds out where each request comes from, for everything after it: `ctx.state.source`. */
export function source(proxies: TrustedProxies): Middleware {
  return (ctx, next) => {
    ctx.state.source = sourceOf(ctx.req.socket.remoteAddress, ctx.get('x-forwarded-for'), proxies);
    return next();
  };
}

/** An address without zone, and an IPv4 one as such; empty for what is none. */
function plain(text: string): string {
  const [address = ''] = text.split('%', 1);
  if (!isIPv6(address)) return isIP(address) ? address : '';
  const groups = groupsOf(address);
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff) return address;
  return [groups[6] ?? 0, groups[7] ?? 0].flatMap((group) => [group >> 8, group & 0xff]).join('.');
}

/** The first 64 bits, as RFC 5952 writes them: `2001:db8:0:1::/64` */
function network(address: string): string {
  const prefix = groupsOf(address).slice(0, 4);
  const written = new URL(`http://[${prefix.map((group) => group.toString(16)).join(':')}::]`).hostname;
  return `${written.slice(1, -1)}/64`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // The URL parser knows every way to write one, and answers with the shortest.
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string) =>
    text
      .split(':')
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const [first, last] = [groups(left), groups(right ?? '')];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
