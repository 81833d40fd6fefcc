import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { until } from '#platform/until.fixture.ts';
import { admin, register, unique } from '../client.ts';
import { kill, layout, start } from '../control.ts';

const wait = { prefer: 'wait=30' };
/** Whoever hosts workers. */
const WORKERS = { few: ['worker', 'app'], each: ['worker', 'gateway'] };

test('a position ends, though no worker ran at the moment when it ended', async (t) => {
  const as = await admin();
  const { memberId } = await register(as);
  const path = `/v1/groups/${(await as.post('/v1/groups', { name: unique('Group') }, wait)).body.id}`;
  t.is((await as.put(`${path}/members/${memberId}`, undefined, wait)).status, 204);
  const positionId: string = (await as.post(`${path}/positions`, { name: 'Editor', permissions: [] }, wait)).body.id;
  const ends = new Date(Date.now() + 10_000);
  t.is((await as.put(`${path}/positions/${positionId}/members/${memberId}`, { until: ends.toISOString() }, wait)).status, 204);
  for (const name of WORKERS[layout()]) await kill(name);
  try {
    await sleep(Math.max(0, ends.getTime() - Date.now()) + 2_000);
  } finally {
    for (const name of WORKERS[layout()].toReversed()) await start(name);
  }
  const isLetGo = async (): Promise<boolean> => {
    const { body } = await as.get(`${path}/members`);
    return body.items.find(({ id }: { id: string }) => id === memberId)?.positions.length === 0;
  };
  await until(isLetGo);
  t.pass();
});
