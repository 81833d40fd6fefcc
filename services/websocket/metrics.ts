import { Counter, Gauge, Histogram } from '@prometheus-io/client';
import { metrics } from '#platform/process/telemetry.ts';

export const socketsOpen = new Gauge({
  name: 'musubi_sockets_open',
  help: 'Sockets that are open on this instance and authenticated',
  registers: [metrics],
});

export const socketsUnauthenticated = new Gauge({
  name: 'musubi_sockets_unauthenticated',
  help: 'Sockets of this instance whose clients have not authenticated, or were refused and are not gone yet',
  registers: [metrics],
});

export const framesSent = new Counter({
  name: 'musubi_socket_frames_sent_total',
  help: 'Frames sent to clients, by type',
  labelNames: ['type'],
  registers: [metrics],
});

export const resumes = new Counter({
  name: 'musubi_socket_resumes_total',
  help: 'Clients that came back with a cursor, by outcome: resumed, or reset because the cursor was too old',
  labelNames: ['outcome'],
  registers: [metrics],
});

export const socketsClosed = new Counter({
  name: 'musubi_sockets_closed_total',
  help: 'Sockets that this server closed, by close code',
  labelNames: ['code'],
  registers: [metrics],
});

export const socketsCutOff = new Counter({
  name: 'musubi_sockets_cut_off_total',
  help: 'Sockets that get no event before Auth has vouched for them, as their process did not answer in time',
  registers: [metrics],
});

export const requestsRefused = new Counter({
  name: 'musubi_socket_requests_refused_total',
  help: 'HTTP requests and upgrades that were refused, by code',
  labelNames: ['code'],
  registers: [metrics],
});

const pushSeconds = new Histogram({
  name: 'musubi_socket_push_seconds',
  help: 'Time from an event to its frame, for events that were pushed at once; as exact as the clocks of the two hosts',
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  registers: [metrics],
});

/** @param time when it happened that was pushed, in milliseconds since 1970 */
export const observePush = (time: number): void => pushSeconds.observe(Math.max(0, Date.now() - time) / 1_000);
