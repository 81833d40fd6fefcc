import { dirname } from 'node:path';
import type { ImportRule, Sources } from './imports.ts';

// The rules of ARCHITECTURE.md about imports. Each comes with what breaks it: a rule that would let that pass is none.

const top = (path: string): string => path.split('/')[0] ?? '';
const service = (path: string): string => path.split('/').slice(0, 2).join('/');
/** `*.fixture.ts` is what tests of one folder share. */
export const isTest = (file: string): boolean =>
  /\.(test|fixture)\.ts$/.test(file) || ['test', 'bench', 'local'].includes(top(file));
export const isIn = (...places: string[]) => {
  return (path: string): boolean => places.some((place) => path === place || path.startsWith(`${place}/`));
};

/** What everybody may know of the services. */
const CATALOGUE = ['services/catalogue.ts', 'services/may-call.ts'];
/** What serves each of them. */
const SERVE = 'services/serve.ts';

/** The packages that talk to a store or a broker. */
const isDriver = isIn('pg', 'pg-logical-replication', 'mongodb', 'ioredis', 'kafkajs', '@aws-sdk', '@opensearch-project');

interface Rule extends ImportRule {
  /** Each breaks it. */
  broken: Sources[];
  /** Each is fine, though it looks like it. */
  sound: Sources[];
}

export const RULES: Record<string, Rule> = {
  'workflows see nothing of the machine': {
    why: 'a workflow must replay the same for ever: it may import @temporalio/workflow, its own folder, temporal.config.ts, and types of activities and the contract',
    of: isIn('workflows', 'temporal.config.ts'),
    forbids: ({ file, target, ours, typeOnly }) => {
      if (!ours) return target !== (file === 'temporal.config.ts' ? '@temporalio/common' : '@temporalio/workflow');
      return !isIn('workflows', 'temporal.config.ts', ...(typeOnly ? ['activities', 'platform/gen'] : []))(target);
    },
    broken: [
      { 'workflows/a.ts': `import { readFileSync } from 'node:fs';` },
      { 'workflows/a.ts': `import { createHash } from 'crypto';` },
      { 'workflows/a.ts': `import { createActivities } from '../activities/index.ts';` },
      { 'workflows/a.ts': `import { type StepCall } from '../activities/call.ts';` },
      { 'workflows/a.ts': `import type { Member } from '../services/member/domain.ts';` },
      { 'workflows/a.ts': `import { unavailable } from '#platform/errors.ts';` },
      { 'workflows/a.ts': `import { Job } from '#proto/musubi/job/v1/job.ts';` },
      { 'workflows/a.ts': `import { Client } from '@temporalio/client';` },
      { 'temporal.config.ts': `import { hostname } from 'node:os';` },
    ],
    sound: [
      { 'workflows/a.ts': `import { saga } from './saga.ts';\nimport { QUICK } from '../temporal.config.ts';` },
      {
        'workflows/a.ts': `import { sleep } from '@temporalio/workflow';\nimport type { StepCall } from '../activities/call.ts';`,
      },
    ],
  },
  'activities call services by gRPC': {
    why: 'an activity is one call of a service; the inside of the service and its store are none of its business',
    of: isIn('activities'),
    through: isIn('platform'),
    forbids: ({ target, ours }) =>
      ours ? !isIn('activities', 'platform', 'temporal.config.ts', ...CATALOGUE)(target) : isDriver(target),
    broken: [
      { 'activities/member.ts': `import { createMember } from '../services/member/steps/create-member.ts';` },
      { 'activities/member.ts': `import type { Member } from '../services/member/domain.ts';` },
      { 'activities/member.ts': `import { registerMember } from '../workflows/index.ts';` },
      { 'activities/member.ts': `import { sql } from '#platform/a.ts';`, 'platform/a.ts': `import pg from 'pg';` },
    ],
    sound: [{ 'activities/member.ts': `import type { Peer } from '#platform/grpc/client.ts';` }],
  },
  'services are strangers to each other': {
    why: 'services talk by gRPC and Kafka, so that each can be deployed, scaled and replaced alone; sagas call them, not they sagas',
    of: isIn('services'),
    forbids: ({ file, target, ours }) =>
      ours
        ? top(target) !== 'platform' && service(target) !== service(file) && !isIn(...CATALOGUE, SERVE)(target)
        : isIn('@temporalio')(target),
    broken: [
      { 'services/a/grpc.ts': `import { rule } from '../b/domain.ts';` },
      { 'services/a/grpc.ts': `import type { Rule } from '../b/domain.ts';` },
      { 'services/a/grpc.ts': `export * from '../ab/domain.ts';` },
      { 'services/a/steps/do.ts': `import { registerMember } from '../../../workflows/index.ts';` },
      { 'services/a/grpc.ts': `import { createCall } from '../../activities/call.ts';` },
      { 'services/a/grpc.ts': `import { route } from '../../gateway/route.ts';` },
      { 'services/a/grpc.ts': `import { Client } from '@temporalio/client';` },
    ],
    sound: [
      {
        'services/a/steps/do.ts': `import { rule } from '../domain.ts';\nimport { openDatabase } from '#platform/postgres/database.ts';`,
      },
    ],
  },
  'domain.ts is pure': {
    why: 'types and rules can be read and tested without any store or server: all it may reach is in its own folder, or one of our one error with its codes, the rules of fields and IDs, and hashes',
    of: (file) => /^services\/[^/]+\/domain\.ts$/.test(file),
    through: isIn('services'),
    forbids: ({ file, target, ours }) =>
      ours
        ? dirname(target) !== dirname(file) &&
          !isIn(
            'platform/errors.ts',
            'platform/problems.ts',
            'platform/validation/attributes.ts',
            'platform/validation/fields.ts',
            'platform/validation/access-fields.ts',
            'platform/validation/group-fields.ts',
            'platform/validation/position-fields.ts',
            'platform/validation/room-fields.ts',
            'platform/validation/id.ts',
            'platform/validation/tree-fields.ts',
          )(target)
        : target !== 'node:crypto',
    broken: [
      { 'services/a/domain.ts': `import { readFileSync } from 'node:fs';` },
      { 'services/a/domain.ts': `import pg from 'pg';` },
      { 'services/a/domain.ts': `import type { Pool } from 'pg';` },
      { 'services/a/domain.ts': `import { sql } from '#platform/postgres/database.ts';` },
      { 'services/a/domain.ts': `import { rule } from '../b/domain.ts';` },
      { 'services/a/domain.ts': `import { save } from './store.ts';`, 'services/a/store.ts': `import pg from 'pg';` },
      {
        'services/a/domain.ts': `import { refuse } from './refusals.ts';`,
        'services/a/refusals.ts': `import './store.ts';`,
        'services/a/store.ts': `import { sql } from '#platform/postgres/database.ts';`,
      },
      { 'services/a/domain.ts': `const { hostname } = await import('node:os');` },
    ],
    sound: [
      {
        'services/a/domain.ts': `import { createHash } from 'node:crypto';\nimport { refuse } from './refusals.ts';`,
        'services/a/refusals.ts': `import { invalidArgument } from '#platform/errors.ts';`,
      },
    ],
  },
  'the gateway has no database': {
    why: 'it validates, authorises and passes on; data belongs to the services',
    of: isIn('gateway'),
    through: () => true,
    forbids: ({ target }) => isDriver(target),
    broken: [
      { 'gateway/a.ts': `import pg from 'pg';` },
      { 'gateway/a.ts': `import type { Db } from 'mongodb';` },
      { 'gateway/routes/a.ts': `import queue from 'kafkajs/src/network/requestQueue/index.js';` },
      ...['postgres', 'mongo', 'redis', 'operations/postgres', 'kafka/subscribe', 'outbox/relay'].map((name) => ({
        'gateway/a.ts': `import { it } from '#platform/${name}.ts';`,
        [`platform/${name}.ts`]: `import { Redis } from 'ioredis';`,
      })),
      {
        'gateway/a.ts': `import { hostWorkers } from '../worker/host.ts';`,
        'worker/host.ts': `import '../platform/redis/client.ts';`,
        'platform/redis/client.ts': `const { Redis } = await import('ioredis');`,
      },
    ],
    sound: [{ 'gateway/a.ts': `import Koa from 'koa';`, 'services/a/store.ts': `import pg from 'pg';` }],
  },
  'the gateway knows services by their contract only': {
    why: 'it could not be deployed apart from them otherwise',
    of: isIn('gateway'),
    forbids: ({ target, typeOnly }) =>
      isIn('services', 'activities', ...(typeOnly ? [] : ['workflows']))(target) && !isIn(...CATALOGUE)(target),
    broken: [
      { 'gateway/a.ts': `import type { Member } from '../services/member/domain.ts';` },
      { 'gateway/a.ts': `import { createActivities } from '../activities/index.ts';` },
      { 'gateway/a.ts': `import { registerMember } from '../workflows/index.ts';` },
    ],
    sound: [{ 'gateway/a.ts': `import type { CommandName } from '../workflows/commands.ts';` }],
  },
  'platform stands alone': {
    why: 'everything stands on it, so it can stand on nothing of ours',
    of: isIn('platform'),
    forbids: ({ target, ours }) => ours && top(target) !== 'platform',
    broken: [
      { 'platform/a.ts': `import { DOMAINS } from '../temporal.config.ts';` },
      { 'platform/kafka/a.ts': `import type { Member } from '../../services/member/domain.ts';` },
    ],
    sound: [{ 'platform/kafka/a.ts': `import { unavailable } from '../errors.ts';\nimport { Kafka } from 'kafkajs';` }],
  },
  'the Kafka library is known in platform/kafka only': {
    why: 'all others subscribe, publish and ask by our own interface, so that another library can take its place',
    of: (file) => !isIn('platform/kafka')(file) && !isTest(file),
    forbids: ({ target }) => isIn('kafkajs', 'platform/kafka/client.ts')(target),
    broken: [
      { 'services/a/b.ts': `import type { Kafka } from 'kafkajs';` },
      { 'services/a/b.ts': `import { kafkaClient } from '#platform/kafka/client.ts';` },
    ],
    sound: [
      { 'services/a/b.ts': `import { subscribe } from '#platform/kafka/subscribe.ts';` },
      { 'platform/kafka/a.ts': `import { Kafka } from 'kafkajs';` },
    ],
  },
  'what runs imports no test, benchmark or local stack': {
    why: 'an image of it holds none of them',
    of: (file) => !isTest(file),
    forbids: ({ target, ours }) => ours && isTest(target),
    broken: [
      { 'worker/a.ts': `import { startBaselines } from '../bench/baselines.ts';` },
      { 'services/a/store.ts': `import { make } from './a.fixture.ts';` },
    ],
    sound: [{ 'services/a/store.test.ts': `import { make } from './a.fixture.ts';` }],
  },
};
