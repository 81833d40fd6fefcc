// How long others are waited for, where it is the same everywhere. A constant of time says its unit and its kind: `_TIMEOUT_MS`
// gives up, `_EVERY_MS` repeats, `_AFTER_MS` begins.

/** How long a server may take to accept a connection. */
export const CONNECT_TIMEOUT_MS = 3_000;
/** How long a gRPC call may take, unless its caller says otherwise. */
export const CALL_TIMEOUT_MS = 5_000;
/**
 * How a gRPC connection is asked whether its other end is alive, and how long that may take: gRPC's own default. Who is busy
 * for longer than a call may take has its calls end one by one; only who is silent for much longer loses all of them at once.
 */
export const KEEPALIVE = { 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 20_000 };
/** How long a server that may hang is waited for when it is left: it ends by itself what was not closed. */
export const CLOSE_TIMEOUT_MS = 1_000;
/** How long the work of a background loop is waited for when the process stops, where the next process does the rest. */
export const LOOP_STOP_TIMEOUT_MS = 1_000;
