import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { type processShape, Secret } from '#platform/config.ts';
import { MusubiError, unavailable } from '#platform/errors.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { newId } from '#platform/id.ts';
import type { App } from '#platform/process.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { type Job, JobServiceService, JobState } from '#proto/musubi/job/v1/job.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { hostWorkers } from '../worker/host.ts';
import { isFinal, issueAndStart } from './commands.ts';
import { bootstrapShape } from './config.ts';
import { fingerprint } from './fingerprint.ts';
import { type Gateway, HASHING_MS } from './gateway.ts';

export { bootstrapShape as shape };

type Config = z.output<z.ZodObject<typeof bootstrapShape & typeof processShape>>;

/** On whose behalf the first admin is registered. */
const SYSTEM = 'system';
/** Services may start side by side with this; they get this long to come up. */
const PATIENCE_MS = 180_000;
/** A job that failed keeps its key; the next try takes another. */
const MAX_TRIES = 5;

/**
 * Puts in place what a new system needs: the built-in roles, in Role and in Auth, and the first admin.
 * Running it again changes nothing, so it is run at every start.
 */
export async function start(app: App<Config>): Promise<'done'> {
  const { config, log, lifecycle } = app;
  const stopping = new AbortController();
  lifecycle.onStop('bootstrap', 'intake', () => stopping.abort());
  const role = connectPeer(config.MUSUBI_ROLE_ADDRESS, RoleServiceService, lifecycle);
  const gateway: Gateway = {
    auth: connectPeer(config.MUSUBI_AUTH_ADDRESS, AuthServiceService, lifecycle),
    job: connectPeer(config.MUSUBI_JOB_ADDRESS, JobServiceService, lifecycle),
    query: connectPeer(config.MUSUBI_QUERY_ADDRESS, QueryServiceService, lifecycle),
    commands: hostWorkers(app, []),
    log,
    stopping: stopping.signal,
  };
  const deadline = Date.now() + PATIENCE_MS;

  await patiently(deadline, async () => {
    const { roles } = await role.ensureBuiltInRoles({});
    await gateway.auth.putRoles({ roles });
  });
  log.info('the built-in roles are in place');

  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const job = await patiently(deadline, () => registerAdmin(config, gateway, attempt));
    const final = await patiently(deadline, () => awaitFinal(gateway, job));
    if (final.state === JobState.JOB_STATE_COMPLETED) {
      log.info({ loginId: config.MUSUBI_ADMIN_LOGIN_ID, jobId: job.jobId }, 'the first admin is registered');
      return 'done';
    }
    if (final.error?.code === 'LOGIN_TAKEN') {
      log.info({ loginId: config.MUSUBI_ADMIN_LOGIN_ID }, 'the first admin exists already');
      return 'done';
    }
    log.warn({ jobId: job.jobId, state: final.state, code: final.error?.code }, 'the first admin could not be registered');
  }
  throw new Error(`the first admin could not be registered in ${MAX_TRIES} tries`);
}

async function registerAdmin(config: Config, gateway: Gateway, attempt: number): Promise<Job> {
  const loginId = config.MUSUBI_ADMIN_LOGIN_ID;
  const key = `bootstrap-admin:${loginId}${attempt === 1 ? '' : `:${attempt}`}`;
  return await issueAndStart(gateway, SYSTEM, key, {
    command: 'member.register',
    aggregateId: newId(),
    fingerprint: fingerprint({ method: 'BOOTSTRAP', path: key }),
    summary: `Register the first admin "${loginId}"`,
    // Asked for only when the saga is about to start, so a second run neither hashes nor prints a password.
    input: async (memberId) => {
      const password = config.MUSUBI_ADMIN_PASSWORD ?? generatedPassword(loginId);
      const { passwordRef } = await gateway.auth.stagePassword({ password: password.reveal() }, { timeoutMs: HASHING_MS });
      const profile = { loginId, displayName: 'Administrator', email: config.MUSUBI_ADMIN_EMAIL };
      return { memberId, ...profile, passwordRef, roleIds: ['admin', 'member'] };
    },
  });
}

/**
 * Printed before it is used: should this process end in between, a password that was printed in vain does no harm,
 * while an admin whose password nobody saw would lock everybody out. A plain line, so that no log keeps it.
 */
function generatedPassword(loginId: string): Secret {
  const password = randomBytes(15).toString('base64url');
  process.stdout.write(`The first admin's login is "${loginId}", the password (shown only now) ${password}\n`);
  return new Secret(password);
}

async function awaitFinal(gateway: Gateway, { jobId }: Job): Promise<Job> {
  const { job } = await gateway.job.awaitJob({ jobId, waitMs: 10_000 }, { timeoutMs: 12_000, signal: gateway.stopping });
  if (!job || !isFinal(job)) throw unavailable('JOB_NOT_FINISHED', `job ${jobId} is not finished: is a worker running?`);
  return job;
}

/** Repeats what fails because something is not up yet. */
async function patiently<T>(deadline: number, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MusubiError && error.retryable) || Date.now() > deadline) throw error;
      await sleep(500);
    }
  }
}
