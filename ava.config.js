/**
 * Two phases, because what stops servers disturbs every other test: `npm test` runs this once as it is,
 * then with MUSUBI_TEST_PHASE=faults, one file after the other.
 */
const faults = process.env.MUSUBI_TEST_PHASE === 'faults';

/** What takes longest begins first, so that nothing runs on alone in the end: `npm test` names the slowest files. */
const LONGEST = [
  'failure-matrix.test.ts',
  'relay/kafka.test.ts',
  'relay/lease.test.ts',
  'test/bootstrap.test.ts',
  'test/repair.test.ts',
  'relay/postgres.test.ts',
  'relay/mongodb.test.ts',
  'relay/large.test.ts',
  'relay/relay.test.ts',
  'relay/redis.test.ts',
  'relay/stores.test.ts',
  'kafka/redrive.test.ts',
  'local/bootstrap.test.ts',
  'new-service.test.ts',
  'limits.test.ts',
  'saga.test.ts',
  'engine.test.ts',
];
const rank = (file) => {
  const at = LONGEST.findIndex((name) => file.endsWith(`/${name}`));
  return at === -1 ? LONGEST.length : at;
};

export default {
  extensions: ['ts'],
  require: ['./test/runner/times.ts'],
  files: faults ? ['test/faults/**/*.test.ts'] : ['**/*.test.ts', '!test/faults/**', '!.musubi/**'],
  // The longest wait: for leases to lapse, servers to start, brokers to be missed. The others fill two cores meanwhile.
  concurrency: faults ? 1 : 5,
  sortTestFiles: (a, b) => rank(a) - rank(b) || (a < b ? -1 : 1),
  serial: faults,
  // Temporal's native module can crash where a thread that has used it ends, and would take all other files with it.
  workerThreads: false,
  // How long nothing may end. No test asks for more with `t.timeout`: ava would forget its own limit for good.
  timeout: '10m',
};
