import type { ProblemKind } from './kind.ts';

/** What a WebSocket and its frames can be refused for. */
export const SOCKETS = {
  BAD_FRAME: { status: 'INVALID_ARGUMENT', meaning: 'The frame is not what it must be.', remedy: 'See /asyncapi.json.' },
  FRAME_UNKNOWN: { status: 'INVALID_ARGUMENT', meaning: 'There is no frame of this type.', remedy: 'See /asyncapi.json.' },
  TOPIC_UNKNOWN: { status: 'NOT_FOUND', meaning: 'There is no such topic.', remedy: 'See /asyncapi.json.' },
  TOO_MANY_TOPICS: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The socket has as many topics as one may have.',
    remedy: 'Unsubscribe from some, or open another socket.',
  },
  TOO_MANY_SOCKETS: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The member has as many sockets open as one may have.',
    remedy: 'Close one of them; one socket can have all topics that a client follows.',
  },
  TOO_MANY_FRAMES: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The client sent more frames in a second than one may.',
    remedy: 'Connect again, and send the next frame when the one before is answered.',
  },
  TOO_SLOW: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The client does not read what it is sent.',
    remedy: 'Connect again with the last cursor: nothing is missed.',
  },
  SUBPROTOCOL_REQUIRED: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The socket was asked for without its subprotocol.',
    remedy: 'Ask for the subprotocol `musubi.v1`.',
  },
  ORIGIN_REFUSED: {
    status: 'PERMISSION_DENIED',
    meaning: 'Pages of this origin may not open sockets.',
    remedy: 'Open the socket from an allowed origin; the operator lists them in MUSUBI_ALLOWED_ORIGINS.',
  },
  UPGRADE_REQUIRED: {
    status: 'INVALID_ARGUMENT',
    http: 426,
    meaning: 'This path is a WebSocket.',
    remedy: 'Connect with a WebSocket client; see /asyncapi.json.',
  },
} as const satisfies Record<string, ProblemKind>;
