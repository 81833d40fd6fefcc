import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { createLogger } from '#platform/process/log.ts';
import { Channel } from './channel.ts';
import { LIMITS } from './domain.ts';

/** A channel whose client never answers a `ping` of the protocol. */
async function deaf(t: ExecutionContext): Promise<{ channel: Channel; client: WebSocket }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { autoPong: false });
  t.teardown(() => client.terminate());
  const [[ws, { socket }]] = (await Promise.all([once(server, 'connection'), once(client, 'open')])) as [
    [WebSocket, { socket: Duplex }],
    unknown,
  ];
  return { channel: new Channel(ws, socket, LIMITS, createLogger('test', 'silent')), client };
}

test('a client that gives no sign of life between two probes is dead', async (t) => {
  const { channel, client } = await deaf(t);
  channel.probe();
  t.false(channel.closing);
  channel.probe();
  await channel.closed;
  t.true(channel.closing);
  if (client.readyState !== WebSocket.CLOSED) await once(client, 'close');
});

test('a client that was not read is not taken for dead: its sign of life could not be seen', async (t) => {
  const { channel, client } = await deaf(t);
  let pings = 0;
  const outcome = new Promise<string>((resolve) => {
    client.on('ping', () => ++pings === 2 && resolve('asked again'));
    client.once('close', () => resolve('cut'));
  });
  channel.probe();
  channel.pause();
  channel.probe();
  channel.resume();
  channel.probe();
  t.is(await outcome, 'asked again');
  channel.probe();
  await channel.closed;
  t.pass('from then on it has until the next probe');
});
