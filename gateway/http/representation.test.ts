import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { openRaw } from '#platform/http/raw-client.fixture.ts';
import { Representation } from '#platform/http/representation.ts';
import { type World, worldTest } from '../gateway.fixture.ts';

// One after the other: memory is measured.
const test = worldTest().serial;

/** The answer as it is on the wire: `fetch` would decompress it. */
async function get(world: World, path: string, headers: Record<string, string> = {}, method = 'GET') {
  const [response] = (await once(request(world.base + path, { method, headers }).end(), 'response')) as [IncomingMessage];
  const { statusCode, headers: said } = response;
  return { status: statusCode, said, bytes: await buffer(response) };
}

const PATHS = ['/docs', '/docs/start.js', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/openapi.json'];
const decoders: Record<string, (bytes: Buffer) => Buffer> = { br: brotliDecompressSync, gzip: gunzipSync };

test('documents come in the coding that the client takes, each with a strong tag of its own', async (t) => {
  for (const path of PATHS) {
    const plain = await get(t.context, path);
    t.is(plain.status, 200);
    t.is(plain.said['content-encoding'], undefined);
    const tags = new Set([plain.said.etag]);
    for (const [accepted, coding] of [
      ['br', 'br'],
      ['gzip', 'gzip'],
      ['gzip, deflate, br, zstd', 'br'],
      ['gzip;q=1.0, br;q=0', 'gzip'],
      ['identity;q=0, GZIP', 'gzip'],
      ['*', 'br'],
      ['identity', undefined],
      ['', undefined],
      ['br;q=0, gzip;q=0', undefined],
      ['*;q=0', undefined],
      ['deflate, zstd', undefined],
    ] as const) {
      const answer = await get(t.context, path, { 'accept-encoding': accepted });
      t.is(answer.said['content-encoding'], coding, `${path} for "${accepted}"`);
      t.regex(answer.said.vary ?? '', /\bAccept-Encoding\b/);
      t.regex(answer.said.etag ?? '', /^"[\w-]+"$/);
      t.is(answer.said['cache-control'], 'public, no-cache');
      t.is(answer.said['content-type'], plain.said['content-type']);
      t.is(answer.said['content-length'], String(answer.bytes.length));
      t.true((decoders[coding ?? '']?.(answer.bytes) ?? answer.bytes).equals(plain.bytes));
      if (coding) t.true(answer.bytes.length < plain.bytes.length);
      tags.add(answer.said.etag);
    }
    t.is(tags.size, 3);
  }
  const picture = await get(t.context, '/docs/favicon-32x32.png', { 'accept-encoding': 'br, gzip' });
  t.is(picture.said['content-encoding'], undefined, 'it is compressed already');
});

test('what a client has is not sent again, and HEAD tells what GET would send', async (t) => {
  for (const path of PATHS) {
    for (const accepted of ['br', 'gzip', 'identity']) {
      const headers = { 'accept-encoding': accepted };
      const { said, bytes } = await get(t.context, path, headers);
      const etag = said.etag ?? '';
      const other = await get(t.context, path, { ...headers, 'if-none-match': '"another"' });
      t.is(other.status, 200);
      for (const tags of [etag, `W/${etag}`, `"another", ${etag}`, '*']) {
        const again = await get(t.context, path, { ...headers, 'if-none-match': tags });
        t.is(again.status, 304, tags);
        t.is(again.bytes.length, 0);
        t.like(again.said, { etag, 'cache-control': 'public, no-cache', vary: said.vary });
        t.is(again.said['content-encoding'], undefined);
      }
      const head = await get(t.context, path, headers, 'HEAD');
      t.is(head.bytes.length, 0);
      for (const name of ['etag', 'content-length', 'content-encoding', 'content-type', 'vary'])
        t.is(head.said[name], said[name], name);
      t.is(head.said['content-length'], String(bytes.length));
    }
  }
});

const takesBrotli = { headers: { 'accept-encoding': 'br' } } as IncomingMessage;

test('a document is read and compressed once, and its bytes are the same for all who ask', async (t) => {
  let reads = 0;
  const document = new Representation({ 'Content-Type': 'text/plain' }, async () => {
    reads += 1;
    if (reads === 1) throw new Error('not yet');
    return 'x'.repeat(10_000);
  });
  await t.throwsAsync(document.variantFor(takesBrotli), { message: 'not yet' });
  const answers = await Promise.all(Array.from({ length: 50 }, () => document.variantFor(takesBrotli)));
  t.is(reads, 2);
  t.is(new Set(answers.map(({ bytes }) => bytes)).size, 1);
});

test('500 requests for the largest document, by a client that does not read, take no memory to speak of', async (t) => {
  const { context: world } = t;
  await get(world, '/docs/swagger-ui-bundle.js');
  const { socket, closed } = await openRaw(Number(new URL(world.base).port));
  socket.pause();
  const before = process.memoryUsage().external;
  socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500));
  let most = 0;
  for (let times = 0; times < 50; times++) {
    await sleep(20);
    most = Math.max(most, process.memoryUsage().external - before);
  }
  t.true(most < 10_000_000, `${most} bytes`);
  socket.destroy();
  await closed;
});
