import { JobState } from '#proto/musubi/job/v1/job.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

test('a job in a state of a newer release is shown as unknown, alone and among others', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const patch = () => send(world, 'PATCH', `/v1/members/${hanaId}`, { token, body: { displayName: 'x' } });
  const [newer, other] = [(await patch()).body.jobId as string, (await patch()).body.jobId as string];
  Object.assign(world.jobs.get(newer) ?? {}, { state: JobState.UNRECOGNIZED });
  t.like(await send(world, 'GET', `/v1/jobs/${newer}`, { token }), { status: 200, body: { id: newer, state: 'unknown' } });
  const { status, body } = await send(world, 'GET', '/v1/jobs', { token });
  t.is(status, 200);
  const states = (body.items as { id: string; state: string }[]).map(({ id, state }) => [id, state] as const);
  t.deepEqual(
    new Map(states),
    new Map([
      [newer, 'unknown'],
      [other, 'completed'],
    ]),
  );
});

test('whoever waits for a job in a state of a newer release gets it as it is', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const { jobId } = (await send(world, 'PATCH', `/v1/members/${hanaId}`, { token, body: { displayName: 'x' } })).body;
  Object.assign(world.jobs.get(jobId) ?? {}, { state: JobState.UNRECOGNIZED });
  const waited = await send(world, 'GET', `/v1/jobs/${jobId}`, { token, headers: { prefer: 'wait=1' } });
  t.like(waited, { status: 200, body: { state: 'unknown' } });
});

test('no list can be asked for the jobs whose state has no word', async (t) => {
  const { context: world } = t;
  const answer = await send(world, 'GET', '/v1/jobs?state=unknown', { token: world.admin });
  t.like(answer, { status: 400, body: { code: 'INVALID_ARGUMENT', errors: [{ in: 'query', field: 'state' }] } });
});

test('jobs are listed of a command that there is, and another one is refused with the names of all', async (t) => {
  const { context: world } = t;
  const list = (command: string) => send(world, 'GET', `/v1/jobs?command=${command}`, { token: world.admin });
  t.is((await list('member.update')).status, 200);
  const { status, body } = await list('member.updated');
  t.is(status, 400);
  const [error] = body.errors as { code: string; message: string }[];
  t.is(error?.code, 'NOT_ONE_OF');
  t.regex(error?.message ?? '', /^must be one of (?=.*member\.register)(?=.*member\.update)[a-z., -]+$/);
});
