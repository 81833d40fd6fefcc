import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type TestFn } from 'ava';
import { failedPrecondition, unavailable } from '#platform/errors.ts';
import { sql } from '#platform/postgres/database.ts';
import { until } from '#platform/until.fixture.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { fingerprint } from '../gateway/commands/fingerprint.ts';
import type { CommandInput } from '../workflows/commands.ts';
import { admins, as, freshSystem, jobsOf, mayDoAll, type System } from './fresh-system.ts';

const test = (anyTest as TestFn<System>).serial;
test.beforeEach(async (t) => {
  t.context = await freshSystem();
});
test.afterEach.always((t) => t.context.close?.());

test('a new system gets one admin, its password printed once; later runs make none and print nothing', async (t) => {
  const { context: system } = t;
  const first = await system.run().ended;
  t.is(first.code, 0, first.log);
  t.is(first.lines.length, 1);
  const [, loginId = '', password = ''] =
    /login is "(.*)", the password \(shown only now\) (.*)$/.exec(first.lines[0] ?? '') ?? [];
  t.is(loginId, 'admin');
  t.true(password.length >= 20);
  t.false(first.log.includes(password), 'no log has it');
  t.true(await mayDoAll(system, loginId, password));

  const order = ['role.ensureBuiltInRoles', 'auth.putRoles', 'auth.stagePassword', 'job.issueJob', 'auth.grantRoles'];
  t.deepEqual(
    system.calls.filter((call, index) => order.includes(call) && system.calls.indexOf(call) === index),
    order,
    'Role before Auth, and both before the admin',
  );

  const again = async (env?: Record<string, string>) => {
    const { code, lines, log } = await system.run(env).ended;
    t.is(code, 0, log);
    t.deepEqual(lines, []);
    t.is(await admins(system), 1);
  };
  await again();
  await again(as('backdoor'));
  t.is((await jobsOf(system)).length, 1, 'nothing was even tried');
  // As after a day, when Job has forgotten, and when the first admin has got another login.
  await system.forgetJobs();
  await again();
  await again(as('backdoor'));
});

test('after a registration that was cancelled the next is another job, with the same password', async (t) => {
  const { context: system } = t;
  system.before.set('auth.bindLogin', async () => {
    const [job, another] = await jobsOf(system);
    if (another) return;
    void system.commands.cancelCommand(job?.jobId ?? '').catch(() => undefined);
    throw unavailable('SERVICE_UNAVAILABLE', 'away');
  });
  const { code, lines, log } = await system.run().ended;
  t.is(code, 0, log);
  t.is(lines.length, 1, 'printed once');
  t.true(await mayDoAll(system, 'admin', lines[0]?.split(' ').at(-1) ?? ''));
  t.is(await admins(system), 1);
  t.deepEqual(
    (await jobsOf(system)).map(({ state }) => state),
    [JobState.JOB_STATE_COMPLETED, JobState.JOB_STATE_CANCELLED],
  );
});

test('a login that is taken by somebody who is no admin is said, and nothing is called done', async (t) => {
  const { context: system } = t;
  const { passwordRef } = await system.auth.stagePassword({ password: 'long enough' });
  await system.auth.bindLogin({ operationId: 'x/bind', memberId: randomUUID(), loginId: 'taken', passwordRef });
  const { code, log } = await system.run(as('taken')).ended;
  t.is(code, 1);
  t.regex(log, /the first admin \\"taken\\" is refused: LOGIN_TAKEN/);
  t.is((await jobsOf(system)).length, 1, 'it was not tried again');
  const next = await system.run(as('free')).ended;
  t.is(next.code, 0, next.log);
  t.is(await admins(system), 1);
});

test('two at the same time, with different logins, make one admin', async (t) => {
  const { context: system } = t;
  const runs = await Promise.all([as('one'), as('two')].map((env) => system.run(env).ended));
  for (const { code, log } of runs) t.is(code, 0, log);
  t.is(await admins(system), 1);
  t.is((await jobsOf(system)).length, 1);
});

test('what a run that died had issued, the next one starts', async (t) => {
  const { context: system } = t;
  const idempotencyKey = 'bootstrap-admin';
  const { job } = await system.job.issueJob({
    command: 'member.register',
    memberId: 'system',
    aggregateId: randomUUID(),
    idempotencyKey,
    fingerprint: fingerprint({ method: 'BOOTSTRAP', path: idempotencyKey }),
  });
  const env = as('admin');
  const { code, log } = await system.run(env).ended;
  t.is(code, 0, log);
  t.deepEqual(
    (await jobsOf(system)).map(({ jobId, state }) => [jobId, state]),
    [[job?.jobId, JobState.JOB_STATE_COMPLETED]],
  );
  t.true(await mayDoAll(system, 'admin', env.MUSUBI_ADMIN_PASSWORD));
});

test('an admin whose registration is under way and is undone in the end is none', async (t) => {
  const { context: system } = t;
  const decided = Promise.withResolvers<void>();
  system.before.set('auth.grantRoles', async () => {
    await decided.promise;
    throw failedPrecondition('LAST_ADMIN', 'not today');
  });
  const first = system.run(as('first'));
  await until(async () => (await admins(system)) !== 0);
  first.child.kill('SIGKILL');
  await first.ended;

  const env = as('second');
  const second = system.run(env);
  await until(() => system.calls.includes('job.awaitJob'));
  const waiting = system.calls.filter((call) => call === 'job.awaitJob').length;
  while (system.calls.filter((call) => call === 'job.awaitJob').length === waiting) {
    if (second.child.exitCode !== null) break;
    await sleep(20);
  }
  system.before.clear();
  decided.resolve();
  const { code, log } = await second.ended;
  t.is(code, 0, log);
  t.is(await admins(system), 1);
  t.true(await mayDoAll(system, 'second', env.MUSUBI_ADMIN_PASSWORD));
});

/** Does what the program does before it waits, and dies: sooner than the call during which it happens would be given up. */
async function beginRegistration({ auth, job: jobs, commands }: System, loginId: string): Promise<void> {
  const command = 'member.register';
  const { passwordRef } = await auth.stagePassword({ password: as(loginId).MUSUBI_ADMIN_PASSWORD });
  const idempotencyKey = 'bootstrap-admin';
  const asked = { command, memberId: 'system', aggregateId: randomUUID(), idempotencyKey } as const;
  const { job } = await jobs.issueJob({ ...asked, fingerprint: fingerprint({ method: 'BOOTSTRAP', path: idempotencyKey }) });
  if (!job) throw new Error('Job issued no job');
  const { jobId, aggregateId, memberId } = job;
  const profile = { loginId, displayName: loginId, email: `${loginId}@example.com` };
  const input = { memberId: aggregateId, ...profile, passwordRef, roleIds: ['admin', 'member'] };
  await commands.startCommand({ jobId, command, memberId, aggregateId, input, summary: 'Register the first admin' });
}

test('nor is an admin one whose registration begins while it is looked whether there is any', async (t) => {
  const { context: system } = t;
  const decided = Promise.withResolvers<void>();
  system.before.set('auth.grantRoles', async () => {
    if ((await jobsOf(system)).length > 1) return;
    await decided.promise;
    throw failedPrecondition('LAST_ADMIN', 'not today');
  });
  system.before.set('role.ensureBuiltInRoles', async () => {
    system.before.delete('role.ensureBuiltInRoles');
    await beginRegistration(system, 'first');
    await until(async () => (await admins(system)) !== 0);
  });
  const env = as('second');
  const second = system.run(env);
  await until(() => system.calls.includes('job.awaitJob') || second.child.exitCode !== null);
  decided.resolve();
  const { code, log } = await second.ended;
  t.is(code, 0, log);
  t.is(await admins(system), 1);
  t.true(await mayDoAll(system, 'second', env.MUSUBI_ADMIN_PASSWORD));
});

test('the last administrator is neither deleted nor lowered, also by many at once', async (t) => {
  const { context: system } = t;
  const { lines } = await system.run().ended;
  const [registration] = await jobsOf(system);
  const aggregateId = registration?.aggregateId ?? '';
  const begin = async <C extends 'member.delete' | 'role.revoke'>(command: C, input: CommandInput<C>): Promise<string> => {
    const asked = { command, memberId: 'system', aggregateId, idempotencyKey: '', fingerprint: '' };
    const { job } = await system.job.issueJob(asked);
    const jobId = job?.jobId ?? '';
    await system.commands.startCommand({ jobId, command, memberId: 'system', aggregateId, input, summary: command });
    for (;;) {
      const { job: now } = await system.job.getJob({ jobId });
      // Why it fails it says before all is undone.
      if (now?.state === JobState.JOB_STATE_FAILED) return now.error?.code ?? '';
      if (now?.state === JobState.JOB_STATE_COMPLETED) return 'done';
      await sleep(50);
    }
  };
  const tries = () => [
    begin('member.delete', { memberId: aggregateId }),
    begin('role.revoke', { memberId: aggregateId, roleId: 'admin' }),
  ];
  for (const code of await Promise.all([...tries(), ...tries()])) t.true(['LAST_ADMIN', 'MEMBER_DELETING'].includes(code), code);
  t.is(await begin('member.delete', { memberId: aggregateId }), 'LAST_ADMIN');
  t.is(await begin('role.revoke', { memberId: aggregateId, roleId: 'admin' }), 'LAST_ADMIN');
  t.true(await mayDoAll(system, 'admin', lines[0]?.split(' ').at(-1) ?? ''), 'and nothing is left of it');
});

test('members of before are taken in by one job, which goes on after its worker died, and says how far it is', async (t) => {
  const { context: system } = t;
  const [count, command] = [1_200, 'group.take-in-members'];
  await system.members.query(sql`
    insert into members (member_id, login_id, display_name, email, status, version, created_at, updated_at)
    select gen_random_uuid(), 'm' || i, 'M', 'm@example.com', 'ACTIVE', 1, now(), now() from generate_series(1, ${count}) as i`);
  const within = async () =>
    (await system.groups.query(sql`select from memberships where group_id = 'root' and joined_at is not null`)).length;
  // The first part is through, and then Group is away.
  let entered = 0;
  const isAway = { now: true };
  system.before.set('group.enterMembers', () => {
    if (isAway.now && entered++ > 0) throw unavailable('SERVICE_UNAVAILABLE', 'away');
  });
  const first = await system.run().ended;
  t.is(first.code, 0, first.log);
  const [job] = await jobsOf(system, command);
  t.true(first.log.includes(job?.jobId ?? '?'), 'its log names the job');
  await until(async () => entered >= 4 && (await within()) >= 50);
  const before = await within();
  t.true(before < count);
  await system.restartWorker();
  const again = await system.run().ended;
  t.is(again.code, 0, again.log);
  t.is((await jobsOf(system, command)).length, 1, 'another start leaves it to that one');
  t.is(await within(), before);
  const now = async () => (await system.job.getJob({ jobId: job?.jobId ?? '' })).job;
  let told = (await now())?.progress;
  t.true((told?.done ?? 0) > 0 && (told?.done ?? 0) < (told?.total ?? 0), `half-way: ${told?.done} of ${told?.total}`);

  isAway.now = false;
  for (let last = await now(); last?.state !== JobState.JOB_STATE_COMPLETED; last = await now()) {
    t.false([JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED].some((state) => state === last?.state));
    t.true((last?.progress?.done ?? 0) >= (told?.done ?? 0), 'what was done stays done');
    told = last?.progress;
    await sleep(20);
  }
  const progress = (await now())?.progress;
  t.is(progress?.done, progress?.total);
  // Each of the thirteen parts is counted, with what is before and after them.
  t.true((progress?.total ?? 0) > 26, `${progress?.total}`);
  t.is(await within(), count + 1, 'with the first admin');
  t.is((await system.groups.query(sql`select from memberships where version > 1`)).length, 0, 'nobody twice');
  const last = await system.run().ended;
  t.is(last.code, 0, last.log);
  t.is((await jobsOf(system, command)).length, 1, 'all are in');
});
