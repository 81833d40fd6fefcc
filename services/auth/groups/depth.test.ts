import { randomUUID } from 'node:crypto';
import test from 'ava';
import { DEEPEST, ROOT } from '#platform/validation/group-fields.ts';
import { check } from '../access.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { askingOf, group, position } from './asking.fixture.ts';
import type { Group } from './group.ts';

// However deep a group is, what may be done in it is decided by one look-up of the same cost. Serial: what the database sees is counted.

let auth: TestAuth;
let { add, member } = {} as ReturnType<typeof askingOf>;
/** One within the other, that of the whole organisation first. */
const chain: Group[] = [];
const leading = position('leader', ['group.update', 'subtree'], ['group.read', 'subtree']);
const local = position(null, ['group.update', 'here']);
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ add, member } = askingOf(auth));
  const whole = { _id: ROOT, path: [ROOT], findable: true, positions: [], version: 1 };
  await auth.store.groups.insertOne(whole);
  chain.push(whole);
  while (chain.length < DEEPEST) chain.push(await add(chain.at(-1), chain.length === 1 ? { positions: [leading, local] } : {}));
});
test.after.always(() => auth?.close());

const at = (depth: number): string => chain[depth - 1]?._id ?? '';
const TOP = 2;

/** What the database did for it. */
async function costOf(asked: () => Promise<unknown>) {
  const { db } = auth.store.mongo;
  await db.command({ profile: 2 });
  await asked();
  await db.command({ profile: 0 });
  const seen = await db
    .collection('system.profile')
    .find({ ns: { $ne: `${db.databaseName}.system.profile` }, appName: 'musubi' })
    .toArray();
  await db.dropCollection('system.profile');
  return seen.map(({ op, ns, docsExamined, keysExamined, responseLength }) => ({
    ...{ op, ns, docsExamined, keysExamined, responseLength },
  }));
}

test.serial(
  'what reaches the subtree holds in the deepest group, what does not holds at the top only; a forbid between takes it',
  async (t) => {
    const ids = [TOP, 3, 50, 99, DEEPEST].map(at);
    const leader = await member({ groupIds: [at(TOP)], positionIds: [leading.id] });
    t.deepEqual(await leader.may('group.update', ...ids), [true, true, true, true, true]);
    const keeper = await member({ groupIds: [at(TOP)], positionIds: [local.id] });
    t.deepEqual(await keeper.may('group.update', ...ids), [true, false, false, false, false]);
    const roleId = `not-in-${at(50)}`;
    await auth.role(roleId, [`forbid (principal, action, resource in Musubi::Group::"${at(50)}");`]);
    const kept = await member({ groupIds: [at(TOP)], positionIds: [leading.id] }, [roleId]);
    t.deepEqual(await kept.may('group.update', ...ids), [true, true, false, false, false]);
  },
);

test.serial(
  'one look-up decides, right below the whole organisation and at depth 100, which reads and returns the same, also of lists and of a hundred at once',
  async (t) => {
    const one = await member({ groupIds: [at(TOP)], positionIds: [leading.id] });
    const ask = {
      one: (id: string) => one.may('group.update', id),
      list: (id: string) => one.seen('group.read', id),
      hundred: (id: string) =>
        check(auth, {
          accessToken: one.accessToken,
          checks: Array.from({ length: 100 }, () => ({ action: 'group.update', resource: group(id) })),
        }),
    };
    for (const [what, asked] of Object.entries(ask)) {
      // What is asked for the first time is compiled.
      for (const id of [at(TOP), at(DEEPEST)]) await asked(id);
      const [shallow, deep] = [await costOf(() => asked(at(TOP))), await costOf(() => asked(at(DEEPEST)))];
      t.is(shallow.length, 1, `${what}: ${JSON.stringify(shallow)}`);
      t.like(shallow, [{ op: 'command', ns: `${auth.store.mongo.db.databaseName}.members` }], what);
      t.deepEqual(deep, shallow, what);
    }
  },
);

test.serial('nobody makes it dear by what others hold where a member is, or by what it is invited to', async (t) => {
  const COUNT = 30;
  const reading = () => position(null, ['group.read', 'here']);
  const among = async (others: number, invited: number) => {
    const groups = await Promise.all(
      Array.from({ length: COUNT }, () => add(undefined, { positions: Array.from({ length: 1 + others }, reading) })),
    );
    return await member({
      groupIds: groups.map(({ _id }) => _id),
      positionIds: groups.flatMap(({ positions }) => positions.slice(0, 1).map(({ id }) => id)),
      invitedTo: Array.from({ length: invited }, () => randomUUID()),
    });
  };
  const [few, many] = [await among(0, 0), await among(99, 500)];
  const lengthsOf = async ({ may, seen }: typeof few) => {
    const [check, list] = [await costOf(() => may('group.update', at(DEEPEST))), await costOf(() => seen('group.read'))];
    return [check, list].map((did) => did.map(({ responseLength }) => responseLength));
  };
  const [check, list] = await lengthsOf(few);
  const [dearCheck, dearList] = await lengthsOf(many);
  t.deepEqual(dearCheck, check);
  // It says to what the member is invited: to 500, of 50 bytes each.
  t.is(list?.length, 1);
  t.true((dearList?.[0] ?? 0) < (list?.[0] ?? 0) + 500 * 50, JSON.stringify({ list, dearList }));

  t.is(
    (await costOf(() => Promise.all([few.seen('group.read'), many.seen('group.read')]))).length,
    2,
    'each has a look-up of its own',
  );
});
