import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** A wire to a server that can be cut without a word: neither side hears anything, also not that the other has gone. */
export interface Wire {
  port: number;
  /** Cuts the connections that there are, or those whose first message has this text. New ones pass. */
  cut(hello?: string): void;
  close(): void;
}

export async function wireTo(port: number): Promise<Wire> {
  let pairs: { sockets: [Socket, Socket]; hello: string }[] = [];
  const all: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const pair = { sockets: [near, far] as [Socket, Socket], hello: '' };
    pairs.push(pair);
    all.push(near, far);
    near.once('data', (data: Buffer) => {
      pair.hello = data.toString('latin1');
    });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (data) => pairs.includes(pair) && to.write(data));
      from.on('end', () => pairs.includes(pair) && to.end());
      from.on('close', () => pairs.includes(pair) && to.destroy());
      from.on('error', () => undefined);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: (hello = '') => {
      pairs = pairs.filter((pair) => !pair.hello.includes(hello));
    },
    close: () => {
      server.close();
      for (const socket of all) socket.destroy();
    },
  };
}
