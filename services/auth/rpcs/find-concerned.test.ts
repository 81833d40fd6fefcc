import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { groupsOf, operation } from '../groups/groups.fixture.ts';
import { findConcerned } from './find-concerned.ts';
import { putRootGroup } from './put-root-group.ts';

let auth: TestAuth;
let { made } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ made } = groupsOf(auth));
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

const madeIn = async (parentId = ROOT): Promise<string> => (await made(undefined, parentId)).groupId;
async function concerned(groupId: string, amongIds: string[]) {
  const { isKnown, groupIds } = await findConcerned(auth.store, { groupId, amongIds });
  return { isKnown, groupIds: groupIds.toSorted() };
}

test('a change of a group concerns it, all that are below it, and the one that it is in; of these those that are asked about', async (t) => {
  const above = await madeIn();
  const group = await madeIn(above);
  const inner = await madeIn(group);
  const deep = await madeIn(inner);
  const [sibling, beside] = [await madeIn(above), await madeIn()];
  const all = [ROOT, above, group, inner, deep, sibling, beside, randomUUID()];
  t.deepEqual(await concerned(group, all), { isKnown: true, groupIds: [above, group, inner, deep].toSorted() });
  t.deepEqual(await concerned(group, [deep, beside]), { isKnown: true, groupIds: [deep].toSorted() });
  await auth.steps.moveGroup({ ...operation(), groupId: group, parentId: beside });
  t.deepEqual(await concerned(group, all), { isKnown: true, groupIds: [beside, group, inner, deep].toSorted() });
  t.deepEqual(await concerned(ROOT, all), { isKnown: true, groupIds: all.slice(0, -1).toSorted() });
  await auth.steps.removeGroups({ ...operation(), groupId: group });
  t.deepEqual((await concerned(group, all)).groupIds, [beside, group, inner, deep].toSorted(), 'it still is where it was');
});

test('a group that is not known is said to be that; and no more is looked at than is a look-up', async (t) => {
  t.deepEqual(await concerned(randomUUID(), [ROOT]), { isKnown: false, groupIds: [] });
  await t.throwsAsync(
    concerned(
      ROOT,
      Array.from({ length: 1_001 }, () => randomUUID()),
    ),
    { code: 'INVALID_ARGUMENT' },
  );
});
