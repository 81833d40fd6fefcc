import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** A wire to a server that can be cut without a word: neither side hears anything, also not that the other has gone. */
export interface Wire {
  port: number;
  /** Cuts the connections that there are. New ones pass. */
  cut(): void;
  close(): void;
}

export async function wireTo(port: number): Promise<Wire> {
  let pairs: [Socket, Socket][] = [];
  const all: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const pair: [Socket, Socket] = [near, far];
    pairs.push(pair);
    all.push(near, far);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (data) => pairs.includes(pair) && to.write(data));
      from.on('end', () => pairs.includes(pair) && to.end());
      from.on('close', () => pairs.includes(pair) && to.destroy());
      from.on('error', () => undefined);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      pairs = [];
    },
    close: () => {
      server.close();
      for (const socket of all) socket.destroy();
    },
  };
}
