import { isIP, isIPv6 } from 'node:net';

/** An address without zone, and an IPv4 one as such; empty for what is none. */
export function plainAddress(text: string): string {
  const [address = ''] = text.split('%', 1);
  if (!isIPv6(address)) return isIP(address) ? address : '';
  const groups = groupsOf(address);
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff) return address;
  return [groups[6] ?? 0, groups[7] ?? 0].flatMap((group) => [group >> 8, group & 0xff]).join('.');
}

/**
 * By what clients can be distinguished: an IPv4 address, or the network of 64 bits in which a client can take any IPv6
 * address (`2001:db8:0:1::/64`); empty for what is no address.
 */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  return isIPv6(plain) ? network(plain) : plain;
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
