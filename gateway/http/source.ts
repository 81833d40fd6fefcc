import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Middleware } from 'koa';
import { networkOf, plainAddress } from '#platform/http/network.ts';

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
 * Where a request comes from, as far as clients can be distinguished: an IPv4 address, or an IPv6 network of 64 bits
 * (`2001:db8:0:1::/64`), in which a client can take any address.
 *
 * That is the other end of the connection; behind trusted proxies the right-most address of `X-Forwarded-For` that is
 * not one of them, for what stands further left anybody may have written.
 *
 * @returns empty when nobody knows: the connection is gone
 */
export function sourceOf(remoteAddress: string | undefined, forwardedFor = '', proxies = NONE): string {
  let source = plainAddress(remoteAddress ?? '');
  const hops = forwardedFor.split(',');
  while (source !== '' && proxies.has(source)) {
    // Some proxies tell the port as well.
    const hop = plainAddress(
      /^\s*(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+|([^\s]*))\s*$/
        .exec(hops.pop() ?? '')
        ?.slice(1)
        .find(Boolean) ?? '',
    );
    // What a trusted proxy did not write in order is as good as nothing: then it is the source itself.
    if (hop === '') break;
    source = hop;
  }
  return networkOf(source);
}

/** Finds out where each request comes from, for everything after it: `ctx.state.source`. */
export function source(proxies: TrustedProxies): Middleware {
  return (ctx, next) => {
    ctx.state.source = sourceOf(ctx.req.socket.remoteAddress, ctx.get('x-forwarded-for'), proxies);
    return next();
  };
}
