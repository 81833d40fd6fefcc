import test from 'ava';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { asking, finishing, openTestJobs, reporting, someMember, type TestInstance, type TestJobs } from './job.fixture.ts';

// A job's times are the store's, not those of the host that runs Job. This process is such a host.

const HOUR_MS = 3_600_000;
const clock = Date.now;

let jobs: TestJobs;
let one: TestInstance;
test.before(async () => {
  jobs = await openTestJobs(process.env.MUSUBI_REDIS_URL);
  one = await jobs.instance();
});
test.afterEach.always(() => {
  Date.now = clock;
});
test.after.always(() => jobs?.close());

// Less than a day: with another clock a host is not known to others (platform/grpc/callers.ts).
for (const hours of [-23, 23]) {
  test.serial(
    `a host whose clock is ${Math.abs(hours)} h ${hours < 0 ? 'behind' : 'ahead'} keeps jobs as long as any`,
    async (t) => {
      Date.now = () => clock() + hours * HOUR_MS;
      const memberId = someMember();
      const asked = asking(memberId, { idempotencyKey: 'k' });
      const jobId = (await one.peer.issueJob(asked)).job?.jobId ?? '';
      const near = (time: Date | undefined, after: number): boolean =>
        Math.abs((time?.getTime() ?? 0) - clock() - after) < 60_000;
      const read = async () => (await one.peer.getJob({ jobId })).job;
      t.true(near((await read())?.createdAt, 0));
      t.true(near((await read())?.expiresAt, 600_000));
      await one.peer.reportProgress(reporting(jobId, 1));
      t.true(near((await read())?.updatedAt, 0));
      await one.peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
      const job = await read();
      t.true(near(job?.updatedAt, 0) && near(job?.expiresAt, 60_000));
      t.true((await one.peer.issueJob(asked)).reused);
      t.is((await one.peer.awaitJob({ jobId, waitMs: 1_000 })).job?.jobId, jobId);
      const list = { memberId, state: JobState.JOB_STATE_UNSPECIFIED, command: '', pageSize: 0, pageToken: '' };
      t.is((await one.peer.listJobs(list)).jobs.length, 1);
      const [event] = (await jobs.redis.xrevrange(`${jobs.prefix}outbox:job`, '+', '-', 'COUNT', 1)) ?? [];
      t.true(near(new Date(Number(event?.[1].at(-1))), 0), 'what its event says of the time');
    },
  );
}
