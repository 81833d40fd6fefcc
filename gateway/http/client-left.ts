import type { Socket } from 'node:net';

const signals = new WeakMap<Socket, AbortSignal>();

/**
 * Aborted once the client of a connection has left, for all requests on it: also for those whose answers wait behind
 * others (pipelining), which Node tells nothing. A client that ends its side of it gets no answer any more, either.
 */
export function clientLeft(socket: Socket): AbortSignal {
  const known = signals.get(socket);
  if (known) return known;
  const left = new AbortController();
  signals.set(socket, left.signal);
  if (socket.destroyed) left.abort();
  else socket.once('close', () => left.abort());
  return left.signal;
}
