import { Counter } from '@prometheus-io/client';
import { metrics } from '#platform/process/telemetry.ts';

export const driftFound = new Counter({
  name: 'musubi_drift_total',
  help: 'What Auth had of members, roles and groups, and was not what their services have, by kind and by whether it was repaired or left',
  labelNames: ['kind', 'outcome'],
  registers: [metrics],
});
