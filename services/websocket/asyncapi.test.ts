import test from 'ava';
import { z } from 'zod';
import { asyncApi } from './asyncapi.ts';
import { TestClient } from './client.fixture.ts';
import { clientFrames, parseClientFrame, serverFrames } from './frames.ts';
import { openTestSockets } from './socket.fixture.ts';

const ROOM_ID = '0199a7c2-4410-7d05-9c31-8f27e1b6a052';
const document = asyncApi(new URL('wss://musubi.example/v1/events'));

/** The value that a local reference points to. */
function follow(reference: string): unknown {
  return reference
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : references(inner)));
}

const schemaOf = (side: string, type: string): unknown =>
  (follow(`#/components/messages/${side}${type.charAt(0).toUpperCase()}${type.slice(1)}`) as { payload?: { schema?: unknown } })
    ?.payload?.schema;

test('the document is AsyncAPI 3.0 in structure', (t) => {
  // The parts of https://www.asyncapi.com/docs/reference/specification/v3.0.0 that we use, strictly.
  const reference = z.strictObject({ $ref: z.string().startsWith('#/') });
  const structure = z.strictObject({
    asyncapi: z.literal('3.0.0'),
    info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
    defaultContentType: z.literal('application/json'),
    servers: z.record(
      z.string().regex(/^[\w-]+$/),
      z.strictObject({
        host: z.string(),
        pathname: z.string().startsWith('/').optional(),
        protocol: z.enum(['ws', 'wss']),
        security: z.array(reference),
      }),
    ),
    channels: z.record(
      z.string(),
      z.strictObject({
        address: z.string(),
        messages: z.record(z.string(), reference),
        bindings: z.record(z.string(), z.looseObject({})),
      }),
    ),
    operations: z.record(
      z.string(),
      z.strictObject({ action: z.enum(['send', 'receive']), channel: reference, messages: z.array(reference).min(1) }),
    ),
    components: z.strictObject({
      messages: z.record(
        z.string(),
        z.strictObject({
          name: z.string(),
          title: z.string(),
          summary: z.string(),
          contentType: z.literal('application/json'),
          'x-action': z.record(z.string(), z.string()).nullable().optional(),
          examples: z.array(z.strictObject({ payload: z.looseObject({ type: z.string() }) })).min(1),
          payload: z.strictObject({ schemaFormat: z.string(), schema: z.looseObject({ type: z.literal('object') }) }),
        }),
      ),
      securitySchemes: z.record(z.string(), z.looseObject({ type: z.literal('http'), scheme: z.literal('bearer') })),
    }),
  });
  t.notThrows(() => structure.parse(document));
  for (const each of references(document)) t.truthy(follow(each), `${each} leads nowhere`);
  // A message of an operation must be one of its channel's.
  for (const operation of Object.values(document.operations as Record<string, { messages: { $ref: string }[] }>)) {
    for (const { $ref } of operation.messages) t.regex($ref, /^#\/channels\/events\/messages\//);
  }
});

test('it has every frame of both sides, and no other, with the schemas that frames are checked with', (t) => {
  const named = Object.keys(follow('#/components/messages') as object);
  t.is(named.length, Object.keys(clientFrames).length + Object.keys(serverFrames).length);
  for (const [side, frames] of Object.entries({ client: clientFrames, server: serverFrames })) {
    for (const [type, schema] of Object.entries<z.ZodType>(frames)) {
      const { $schema: _, description: __, examples = [], ...own } = z.toJSONSchema(schema);
      t.deepEqual(schemaOf(side, type), own);
      for (const example of examples) {
        t.deepEqual(schema.parse(example), example);
        if (side === 'client') t.deepEqual(parseClientFrame(JSON.stringify(example)), { frame: example } as never);
      }
    }
  }
});

test('what its schemas accept and refuse, the server accepts and refuses', (t) => {
  const tooMany = Object.fromEntries(Array.from({ length: 102 }, (_, i) => [`job:${i}`, '1-0']));
  const cases: [string, Record<string, unknown>, boolean][] = [
    ['auth', { type: 'auth', token: 'x' }, true],
    ['auth', { type: 'auth' }, false],
    ['subscribe', { type: 'subscribe', topics: ['member:me'], cursor: '1-0' }, true],
    ['subscribe', { type: 'subscribe', topics: [] }, true],
    ['subscribe', { type: 'subscribe', topics: ['x'], cursor: 'x' }, false],
    ['subscribe', { type: 'subscribe', topics: 'x' }, false],
    ['subscribe', { type: 'subscribe', topics: [''], more: 1 }, false],
    ['subscribe', { type: 'subscribe', topics: ['job:1'], cursors: { 'job:1': '1-0', 'member:me': '2-0' } }, true],
    ['subscribe', { type: 'subscribe', topics: ['job:1'], cursors: { 'job:1': 'x' } }, false],
    ['subscribe', { type: 'subscribe', topics: [], cursors: ['1-0'] }, false],
    ['subscribe', { type: 'subscribe', topics: [], cursors: tooMany }, false],
    ['unsubscribe', { type: 'unsubscribe', topics: ['x'] }, true],
    ['send', { type: 'send', ref: 'r', roomId: ROOM_ID, text: 'x' }, true],
    ['send', { type: 'send', ref: 'r', roomId: ROOM_ID, text: '', replyToId: ROOM_ID }, true],
    ['send', { type: 'send', roomId: ROOM_ID, text: 'x' }, false],
    ['send', { type: 'send', ref: 'r', roomId: 'x', text: 'x' }, false],
    ['send', { type: 'send', ref: 'r', roomId: ROOM_ID, text: 1 }, false],
    ['send', { type: 'send', ref: 'r', roomId: ROOM_ID, text: 'x', replyToId: 'x' }, false],
    ['read', { type: 'read', roomId: ROOM_ID, sequence: 1 }, true],
    ['read', { type: 'read', roomId: ROOM_ID, sequence: 0 }, false],
    ['read', { type: 'read', roomId: ROOM_ID }, false],
    ['ping', { type: 'ping' }, true],
    ['ping', { type: 'ping', more: 1 }, false],
  ];
  // Of any frame.
  for (const [ref, good] of [
    ['r', true],
    ['x'.repeat(64), true],
    ['', false],
    ['x'.repeat(65), false],
    [1, false],
    [null, false],
  ] as const) {
    const frames = [
      { type: 'auth', token: 'x' },
      { type: 'subscribe', topics: [] },
      { type: 'unsubscribe', topics: [] },
      { type: 'send', roomId: ROOM_ID, text: 'x' },
      { type: 'read', roomId: ROOM_ID, sequence: 1 },
      { type: 'ping' },
    ];
    t.deepEqual(
      frames.map(({ type }) => type),
      Object.keys(clientFrames),
    );
    for (const frame of frames) cases.push([frame.type, { ...frame, ref }, good]);
  }
  for (const [type, frame, good] of cases) {
    const documented = z
      .fromJSONSchema(schemaOf('client', type) as Parameters<typeof z.fromJSONSchema>[0])
      .safeParse(frame).success;
    t.is(documented, good, `the document on ${JSON.stringify(frame)}`);
    t.is('frame' in parseClientFrame(JSON.stringify(frame)), good, `the server on ${JSON.stringify(frame)}`);
  }
});

/** Where a client that was generated from the document connects to. */
function addressIn(document: Record<string, unknown>): string {
  const { servers, channels } = document as {
    servers: Record<string, { protocol: string; host: string; pathname?: string }>;
    channels: Record<string, { address: string }>;
  };
  const [[server], [channel]] = [Object.values(servers), Object.values(channels)];
  return `${server?.protocol}://${server?.host}${server?.pathname ?? ''}${channel?.address}`;
}

test('its server and its channel make the URL of the socket, wherever that is', (t) => {
  for (const url of ['wss://musubi.example/v1/events', 'ws://127.0.0.1:8081/v1/events', 'wss://example.org/behind/a/proxy'])
    t.is(addressIn(asyncApi(new URL(url))), url);
});

test('it is served, and a client finds the socket by it', async (t) => {
  const sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  t.teardown(() => sockets.close());
  const { http, url } = await sockets.instance();
  const response = await fetch(`${http}/asyncapi.json`);
  t.is(response.headers.get('content-type'), 'application/json');
  const served = (await response.json()) as Record<string, unknown>;
  t.deepEqual(served, JSON.parse(JSON.stringify(asyncApi(new URL(url)))));
  const client = await TestClient.open(addressIn(served), sockets.token('m'));
  t.truthy(await client.subscribe(['member:me']));
  t.is((await fetch(`${http}/asyncapi.json`, { method: 'POST' })).status, 405);
});
