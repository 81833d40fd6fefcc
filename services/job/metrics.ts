import { Counter, Histogram } from '@prometheus-io/client';
import { metrics } from '#platform/process/telemetry.ts';

export const jobsIssued = new Counter({
  name: 'musubi_jobs_issued_total',
  help: 'Job IDs asked for, by command and whether an idempotency key gave the job of an earlier call',
  labelNames: ['command', 'reused'],
  registers: [metrics],
});

export const jobSeconds = new Histogram({
  name: 'musubi_job_seconds',
  help: 'Time from the issue of a job to its end, by command and outcome; its count is the number of finished jobs',
  labelNames: ['command', 'outcome'],
  buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600],
  registers: [metrics],
});
