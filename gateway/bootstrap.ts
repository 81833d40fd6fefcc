import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import { patiently } from '#platform/concurrency/patience.ts';
import { unavailable } from '#platform/errors.ts';
import { connectPeers, type Peers } from '#platform/grpc/peers.ts';
import { type programShape, Secret } from '#platform/process/config.ts';
import type { App } from '#platform/process/program.ts';
import { email } from '#platform/validation/fields.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { newId, SYSTEM } from '#platform/validation/id.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { calledBy } from '../services/may-call.ts';
import { hostWorkers } from '../worker/host.ts';
import { AbandonedJobs } from './commands/abandoned.ts';
import { type Issuing, isFinal, issueAndStart } from './commands/carry-out.ts';
import { fingerprint } from './commands/fingerprint.ts';
import { bootstrapShape } from './config.ts';
import { HASHING_TIMEOUT_MS } from './gateway.ts';
import { JobFailedError } from './http/problem.ts';

export { bootstrapShape as shape };

type Config = z.output<z.ZodObject<typeof bootstrapShape & typeof programShape>>;

const COMMAND = 'member.register';
const TAKE_IN = 'group.take-in-members';

/** What it works with: the services, and the door to the sagas. */
interface System extends Peers<ReturnType<typeof calledBy<'bootstrap'>>>, Omit<Issuing, 'job'> {
  /** Aborted when the process stops. */
  stopping: AbortSignal;
}
/** Services may start side by side with this; they get this long to come up. */
const PATIENCE_MS = 180_000;
/** Registrations that may fail, for reasons that may pass, before this gives up, and the supervisor starts it again. */
const MAX_FAILURES = 5;

/**
 * Puts in place what a new system needs: the built-in roles and the whole organisation's group, also in Auth, and a first admin where nobody
 * holds the role `admin`. Running it again changes nothing, also with another login, so it is run at every start.
 */
export async function start(app: App<Config>): Promise<'done'> {
  const { config, log, lifecycle } = app;
  const stopping = new AbortController();
  lifecycle.onStop('bootstrap', 'intake', () => stopping.abort());
  const services = {
    ...connectPeers(calledBy('bootstrap'), { ...app, caller: config.MUSUBI_BOOTSTRAP_CALLER_KEY }),
    commands: hostWorkers(app, []),
    log,
    stopping: stopping.signal,
  };
  const system: System = { ...services, abandoned: new AbandonedJobs(services) };
  const patience = { server: 'the services', deadline: performance.now() + PATIENCE_MS, log, lifecycle };
  let given = config.MUSUBI_ADMIN_PASSWORD;
  // Made when it is needed, so that a second run neither hashes nor prints one, and once, however often it is needed.
  const password = () => (given ??= generatedPassword(config.MUSUBI_ADMIN_LOGIN_ID));

  let failure = '';
  for (let failures = 0; failures < MAX_FAILURES; ) {
    const { newest, ended, hasAdmin, allTakenIn } = await patiently(() => look(system), patience);
    if (hasAdmin && (!newest || isFinal(newest))) {
      if (!allTakenIn) {
        const jobId = await patiently(() => takeInMembers(system), patience);
        log.info({ jobId }, 'the members of before there were groups are being taken into the whole organisation');
      }
      log.info('the built-in roles and the whole organisation are in place, and there is an admin');
      return 'done';
    }
    // What is under way decides first. A queued one may be nobody's any more, so it is started, if that can't make a second admin.
    const underWay = newest && !isFinal(newest) && (hasAdmin || newest.state !== JobState.JOB_STATE_QUEUED);
    const job = underWay ? newest : await patiently(() => registerAdmin(config, password, system, ended), patience);
    const { state, error } = await patiently(() => awaitFinal(system, job), patience);
    if (state === JobState.JOB_STATE_COMPLETED) {
      log.info({ memberId: job.aggregateId, jobId: job.jobId }, 'the first admin is registered');
      continue;
    }
    failures++;
    failure = `${error?.code ?? state}: ${error?.message ?? 'not by us'}`;
    // A refusal of another's request says nothing of ours.
    if (!underWay && error && !new JobFailedError(job.jobId, error).retryable)
      throw new Error(`the first admin "${config.MUSUBI_ADMIN_LOGIN_ID}" is refused: ${failure}`);
    log.warn({ jobId: job.jobId, failure }, 'the first admin could not be registered');
  }
  throw new Error(`the first admin could not be registered in ${MAX_FAILURES} tries; the last ended with ${failure}`);
}

/**
 * Whether there is an admin, and which registrations of one there were.
 *
 * Who holds the role may be one whose registration is still under way, and may be undone: only when none was, there
 * is an admin for good. So the jobs are asked for before, and again after: one of them may have begun in between.
 */
async function look(system: System) {
  for (let jobs = await registrations(system); ; ) {
    const { hasAdmin, allTakenIn } = await ensureBuiltIn(system);
    const now = hasAdmin ? await registrations(system) : jobs;
    if (now[0]?.jobId === jobs[0]?.jobId) return { newest: jobs[0], ended: jobs.find(isFinal), hasAdmin, allTakenIn };
    jobs = now;
  }
}

/** The registrations of a first admin, newest first. */
const registrations = (system: System): Promise<Job[]> => jobsOf(system, COMMAND);

async function jobsOf({ job }: System, command: string): Promise<Job[]> {
  const state = JobState.JOB_STATE_UNSPECIFIED;
  return (await job.listJobs({ memberId: SYSTEM, state, command, pageSize: 0, pageToken: '' })).jobs;
}

/** Has the members of before there were groups taken in, by a job that goes on by itself; one that is under way does so already. */
async function takeInMembers(system: System): Promise<string> {
  const [newest] = await jobsOf(system, TAKE_IN);
  if (newest && !isFinal(newest) && newest.state !== JobState.JOB_STATE_QUEUED) return newest.jobId;
  const key = newest && isFinal(newest) ? `${TAKE_IN}:after:${newest.jobId}` : TAKE_IN;
  const { jobId } = await issueAndStart(system, { memberId: SYSTEM }, key, {
    command: TAKE_IN,
    aggregateId: ROOT,
    fingerprint: fingerprint({ method: 'BOOTSTRAP', path: key }),
    summary: 'Take all members into the whole organisation',
    prepare: undefined,
    input: (groupId) => ({ groupId }),
  });
  return jobId;
}

/** @returns whether anybody holds the role of an admin, and whether all members of before there were groups are taken in */
async function ensureBuiltIn({ role, auth, group, position }: System): Promise<{ hasAdmin: boolean; allTakenIn: boolean }> {
  const { roles, hasAdmin } = await role.ensureBuiltInRoles({});
  if (hasAdmin === undefined) throw unavailable('ROLE_TOO_OLD', 'this release of Role does not tell whether there is an admin');
  // Before any admin is registered: an admin whose role Auth does not know could do nothing.
  await auth.putRoles({ roles });
  // And the whole organisation, which everybody is in from its registration on.
  const { allTakenIn } = await group.ensureRoot({});
  const { positions } = await position.ensureRootPositions({});
  await auth.putRootGroup({ positions });
  return { hasAdmin, allTakenIn };
}

/**
 * @param ended the newest registration that has ended. The next one's key names it, so that all who try at the same
 * time, each with its login, try the same one; a job that failed keeps its key.
 */
async function registerAdmin(config: Config, password: () => Secret, system: System, ended: Job | undefined): Promise<Job> {
  const loginId = config.MUSUBI_ADMIN_LOGIN_ID;
  const key = ended ? `bootstrap-admin:after:${ended.jobId}` : 'bootstrap-admin';
  return await issueAndStart(system, { memberId: SYSTEM }, key, {
    command: COMMAND,
    aggregateId: newId(),
    fingerprint: fingerprint({ method: 'BOOTSTRAP', path: key }),
    summary: 'Register the first admin',
    prepare: () => system.auth.stagePassword({ password: password().reveal() }, { timeoutMs: HASHING_TIMEOUT_MS }),
    input: (memberId, { passwordRef }) => {
      const profile = { loginId, displayName: 'Administrator', email: config.MUSUBI_ADMIN_EMAIL ?? emailFor(loginId) };
      return { memberId, ...profile, passwordRef, roleIds: ['admin', 'member'] };
    },
  });
}

/**
 * Printed before it is used: should this process end in between, a password that was printed in vain does no harm,
 * while an admin whose password nobody saw would lock everybody out. A plain line, so that no log keeps it.
 */
function generatedPassword(loginId: string): Secret {
  const password = randomBytes(15).toString('hex');
  process.stdout.write(`The first admin's login is "${loginId}", the password (shown only now) ${password}\n`);
  return new Secret(password);
}

async function awaitFinal(system: System, { jobId }: Job): Promise<Job> {
  const { job } = await system.job.awaitJob({ jobId, waitMs: 10_000 }, { timeoutMs: 12_000, signal: system.stopping });
  if (!job || !isFinal(job)) throw unavailable('JOB_NOT_FINISHED', `job ${jobId} is not finished: is a worker running?`);
  return job;
}

/** A login that is an e-mail address must be the member's own. */
const emailFor = (loginId: string): string => (email.safeParse(loginId).success ? loginId : 'admin@musubi.invalid');
