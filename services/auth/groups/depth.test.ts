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
    const { db } = auth.store.mongo;
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
    /** What the database did for it. */
    const costOf = async (asked: () => Promise<unknown>) => {
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
    };
    for (const [what, asked] of Object.entries(ask)) {
      // What is asked for the first time is compiled.
      for (const id of [at(TOP), at(DEEPEST)]) await asked(id);
      const [shallow, deep] = [await costOf(() => asked(at(TOP))), await costOf(() => asked(at(DEEPEST)))];
      t.is(shallow.length, 1, `${what}: ${JSON.stringify(shallow)}`);
      t.like(shallow, [{ op: 'command', ns: `${db.databaseName}.members` }], what);
      t.deepEqual(deep, shallow, what);
    }
  },
);
