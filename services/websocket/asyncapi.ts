import { z } from 'zod';
import { CLOSE, LIMITS, MAX_FRAGMENTS, MAX_FRAME_BYTES, MAX_FRAME_VALUES, SUBPROTOCOL } from './domain.ts';
import { clientFrames, frameActions, serverFrames } from './frames.ts';

const CLOSES: Record<keyof typeof CLOSE, string> = {
  goingAway: 'the server stops; connect again',
  unsupported: 'frames must be text',
  unfinished: `a frame came in more than ${MAX_FRAGMENTS} fragments, or not whole within ${LIMITS.messageMs / 1_000} seconds`,
  defect: 'a defect of the server; connect again',
  tryAgainLater: 'a server that is needed is away, or too many sockets wait to be authenticated; connect again after a pause',
  unauthenticated: 'no token, or one that is wrong or has expired',
  revoked:
    'the session was ended: by a logout, from another session of its member, with a change of the password that ends the others, by a refresh token that was used again later than 10 seconds after the first time, by a login on one device too many, or because its member was suspended or deleted',
  tooSlow: 'the client does not read what it is sent; connect again with the last cursor',
  tooMany: 'too many sockets of one member, or too many frames in a second',
};

/**
 * The contract of the socket as an AsyncAPI 3.0 document, made from the schemas that frames are checked with.
 *
 * @param url where clients find the socket: `wss://example.org/v1/events`
 */
export function asyncApi(url: URL): Record<string, unknown> {
  const frames = { client: clientFrames, server: serverFrames };
  const messages: Record<string, unknown> = {};
  for (const [side, schemas] of Object.entries(frames)) {
    for (const [type, schema] of Object.entries<z.ZodType>(schemas)) {
      const { $schema: _, description, examples = [], ...payload } = z.toJSONSchema(schema);
      messages[messageName(side, type)] = {
        name: type,
        title: `${type} (from the ${side})`,
        summary: description,
        contentType: 'application/json',
        // As the operations of REST have it: what each thing that a client's frame names needs, by the kind of its topic.
        ...(side === 'client' ? { 'x-action': frameActions[type as keyof typeof frameActions] } : {}),
        payload: { schemaFormat: 'application/schema+json;version=draft-2020-12', schema: payload },
        examples: examples.map((example) => ({ payload: example })),
      };
    }
  }
  const named = (side: keyof typeof frames): string[] => Object.keys(frames[side]).map((type) => messageName(side, type));
  const inChannel = (side: keyof typeof frames) => named(side).map((name) => ({ $ref: `#/channels/events/messages/${name}` }));
  const closes = Object.entries(CLOSE).map(([name, code]) => `- ${code}: ${CLOSES[name as keyof typeof CLOSE]}`);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Musubi events',
      version: '1',
      description: [
        `Events in real time, as JSON text frames; yours have at most ${MAX_FRAME_BYTES} bytes and ${MAX_FRAME_VALUES} values. The subprotocol \`${SUBPROTOCOL}\` is required.`,
        'A page in a browser may open a socket if its origin is allowed (`MUSUBI_ALLOWED_ORIGINS`): else the upgrade is refused with `403` and `ORIGIN_REFUSED`.',
        'A `ref` in a frame of yours comes back in its answer. Only an `auth` with a good token has none, nor has a `read` without a `ref`.',
        'To miss nothing, keep the last `cursor` that a frame of each topic brought and send them in the first `subscribe` of the next socket: what was missed comes once, and of each job, group and room in order; what is of two of them may change places. Until that `subscribe`, frames of `member:me` come without a cursor, so that none takes the place of yours; such a frame may come again after another drop.',
        `A member who subscribes to more than ${LIMITS.topicsPerSecond} topics a second, on all its sockets, granted or not, or has as many begin again from older cursors or renewed with a token, or who sends frames before the ones before them are answered, is read more slowly.`,
        `What is typed (\`send\`, \`read\`) is done in the order in which it comes, and each is answered by itself: an \`ack\` says that it is done and kept, an \`error\` with its \`ref\` why not. While ${LIMITS.typedAtOnce} are under way, the socket is not read. How much a member may type over time is bounded (\`TOO_MANY_MESSAGES\`), by REST and on its sockets together.`,
        'The socket is closed with what the protocol has for what breaks it (1002, 1007, 1009), and with:',
        closes.join('\n'),
        "The reason of each of these is `CODE: Sentence.`, with a code of the REST API's problems; only that of 1008 for too many fragments is empty.",
      ].join('\n\n'),
    },
    defaultContentType: 'application/json',
    servers: {
      socket: {
        host: url.host,
        protocol: url.protocol.replace(':', ''),
        security: [{ $ref: '#/components/securitySchemes/bearer' }],
      },
    },
    channels: {
      events: {
        // The whole path: with a pathname of the server, generators would join the two.
        address: url.pathname,
        messages: Object.fromEntries(Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: {
          ws: {
            method: 'GET',
            headers: { type: 'object', properties: { 'Sec-WebSocket-Protocol': { type: 'string', const: SUBPROTOCOL } } },
            bindingVersion: '0.1.0',
          },
        },
      },
    },
    operations: {
      // As the server does them: it receives what the client sends.
      receiveFrames: { action: 'receive', channel: { $ref: '#/channels/events' }, messages: inChannel('client') },
      sendFrames: { action: 'send', channel: { $ref: '#/channels/events' }, messages: inChannel('server') },
    },
    components: {
      messages,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            'An access token in the Authorization header of the upgrade; or none, and a first frame `auth` within 5 seconds',
        },
      },
    },
  };
}

function messageName(side: string, type: string): string {
  return `${side}${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}
