import { kafka } from './kafka.ts';
import { mongodb } from './mongodb.ts';
import { opensearch } from './opensearch.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import { s3 } from './s3.ts';
import type { Server } from './server.ts';
import { temporal } from './temporal.ts';

export type ServerName = 'temporal' | 'postgres' | 'mongodb' | 'redis' | 'kafka' | 's3' | 'opensearch';

/** Slowest first: all start at once, and on few cores the head start counts. */
export const SERVERS: readonly Server[] = [opensearch, kafka, s3, temporal, mongodb, postgres, redis];
