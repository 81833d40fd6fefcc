import { status } from '@grpc/grpc-js';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { ownServer } from '../../test/own-server.ts';
import { asking, finishing, openTestJobs, someMember } from './job.fixture.ts';

test('a Redis without room refuses what is written as STORE_FULL, no defect; jobs are read, and end when it has room', async (t) => {
  const server = await ownServer('redis');
  const jobs = await openTestJobs(server.addresses.MUSUBI_REDIS_URL);
  try {
    const { peer } = await jobs.instance();
    const jobId = (await peer.issueJob(asking(someMember()))).job?.jobId ?? '';
    await jobs.redis.config('SET', 'maxmemory', '1');
    const end = () => peer.finishJob(finishing(jobId, JobState.JOB_STATE_COMPLETED));
    for (const write of [() => peer.issueJob(asking(someMember())), end]) {
      const error = await t.throwsAsync(write, { instanceOf: MusubiError });
      t.like(error, { code: 'STORE_FULL', grpcStatus: status.UNAVAILABLE, retryable: true });
    }
    t.is((await peer.getJob({ jobId })).job?.state, JobState.JOB_STATE_QUEUED);
    await jobs.redis.config('SET', 'maxmemory', '0');
    await end();
    t.is((await peer.getJob({ jobId })).job?.state, JobState.JOB_STATE_COMPLETED);
    t.is((await jobs.events(jobId)).length, 1);
  } finally {
    await jobs.redis.config('SET', 'maxmemory', '0');
    await jobs.close();
    await server.stop();
  }
});
