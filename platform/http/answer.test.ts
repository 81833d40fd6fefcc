import { once } from 'node:events';
import { Duplex } from 'node:stream';
import test from 'ava';
import { sendLast } from './answer.ts';

test('after the last answer what still comes is dropped, and the connection closed when its client closes it', async (t) => {
  let written = '';
  const socket = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString();
      done();
    },
  });
  // As one is that is taken from an HTTP server: nobody reads it, and some of its bytes are here already.
  socket.push('x'.repeat(100_000));
  sendLast(socket, { status: 404, headers: { Connection: 'close' }, body: 'no' });
  socket.push('y'.repeat(100_000));
  socket.push(null);
  await once(socket, 'close');
  t.true(socket.readableEnded, 'it was not cut with bytes unread, which would be a reset');
  t.regex(written, /^HTTP\/1\.1 404 Not Found\r\nConnection: close\r\nDate: [^\r]+\r\n\r\nno$/);
});
