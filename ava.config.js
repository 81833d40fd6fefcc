/**
 * Two phases, because what stops servers disturbs every other test: `npm test` runs this once as it is,
 * then with MUSUBI_TEST_PHASE=faults, one file after the other.
 */
const faults = process.env.MUSUBI_TEST_PHASE === 'faults';

export default {
  extensions: ['ts'],
  files: faults ? ['test/faults/**/*.test.ts'] : ['**/*.test.ts', '!test/faults/**', '!.musubi/**'],
  // Two cores: more test processes at once only make each other late.
  concurrency: faults ? 1 : 2,
  serial: faults,
  // Faults start whole systems, between whose lines there is nothing to tell.
  timeout: faults ? '10m' : '4m',
};
