import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { until } from '../until.fixture.ts';

/** A connection on which bytes are written that no client library would send, with everything that came on it. */
export interface RawClient {
  socket: Socket;
  received(): string;
  /** What came, once that fulfils `condition`. */
  receives(condition: (received: string) => boolean): Promise<string>;
  /** What came until the other side closed. */
  closed: Promise<string>;
}

/** @param halfOpen whether it stays open when the other side has said all @param from an address of this machine */
export async function openRaw(port: number, { halfOpen = false, from = '127.0.0.1' } = {}): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: halfOpen });
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  // However it ends: `once` of node:events would fail when it is reset.
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(received)));
  await once(socket, 'connect');
  return {
    socket,
    received: () => received,
    async receives(condition) {
      await until(() => condition(received));
      return received;
    },
    closed,
  };
}

/** One answer of what came: its status, its headers by lower-case name, and its body. */
export function parseAnswer(received: string): { status: number; headers: Record<string, string>; body: string } {
  const end = received.indexOf('\r\n\r\n');
  const [first = '', ...lines] = received.slice(0, end).split('\r\n');
  const headers = lines.map((line) => [line.split(':', 1)[0]?.toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]);
  return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(headers), body: received.slice(end + 4) };
}

/** How many answers came. */
export const answersIn = (received: string): number => [...received.matchAll(/HTTP\/1\.1 \d{3} /g)].length;
