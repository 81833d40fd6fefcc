import { worldTest } from '../../gateway.fixture.ts';
import { getting, organisation } from './organisation.fixture.ts';

const test = worldTest();

test('a group is composed of the parts that are asked for, by one question to Query', async (t) => {
  const { context: world } = t;
  const get = getting(world);
  const { one, two, position } = organisation(world);
  const questions: string[] = [];
  const { query } = world.gateway;
  const counted = Object.entries(query).map(([name, ask]) => [
    name,
    (...given: unknown[]) => {
      questions.push(name);
      return (ask as (...given: unknown[]) => unknown)(...given);
    },
  ]);
  world.gateway.query = Object.fromEntries(counted);
  const { body, status } = await get(`/v1/groups/${one}?include=members,positions,ancestors,subgroups,members`);
  t.is(status, 200);
  t.deepEqual(questions, ['getGroup']);
  t.is(body.id, one);
  t.deepEqual(
    ['members', 'positions', 'ancestors', 'subgroups'].map((part) => body[part].items.length),
    [2, 1, 1, 1],
  );
  t.is(body.positions.items[0].id, position);
  t.is(body.subgroups.items[0].id, two);
  t.is(body.ancestors.items[0].id, 'root');
  const some = await get(`/v1/groups/${one}?include=positions`);
  t.deepEqual(
    ['members', 'positions', 'ancestors', 'subgroups'].filter((part) => part in some.body),
    ['positions'],
  );
  for (const wrong of ['', 'x', 'members,', 'members,x', 'members positions'])
    t.like(await get(`/v1/groups/${one}?include=${encodeURIComponent(wrong)}`), {
      status: 400,
      body: { errors: [{ in: 'query', field: 'include' }] },
    });
});
