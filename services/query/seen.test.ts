import test from 'ava';
import fc from 'fast-check';
import { type Database, sql } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { type Listed, seenBy } from './seen.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('seen');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

interface Row {
  id: string;
  owner: string | null;
  roles: string[] | null;
  open: boolean;
}
const IDS = ['a', 'b', 'c', "d'--"];
const ROWS: Row[] = IDS.flatMap((id) =>
  [null, 'a', 'b'].flatMap((owner) =>
    [null, [], ['r1'], ['r1', 'r2']].map((roles) => ({ id, owner, roles, open: id === 'b' || owner === 'a' })),
  ),
);
/** What each is below, itself among them: a above b above c. */
const PATHS: Readonly<Record<string, string[]>> = { a: ['a'], b: ['a', 'b'], c: ['a', 'b', 'c'], "d'--": ["d'--"] };
const isBelow = (ids: readonly string[]) => sql`exists (
  select 1 from jsonb_each(${JSON.stringify(PATHS)}::jsonb) as p (id, path) where p.id = t.id and p.path ?| ${[...ids]}::text[])`;
const LISTED: Listed = {
  id: sql`t.id`,
  owner: sql`t.owner`,
  in: { Role: sql`t.roles`, Group: isBelow },
  findable: sql`t.open`,
};

const found = (condition: Condition | undefined, listed = LISTED): Promise<Row[]> =>
  db.query<Row>(sql`
    select id, owner, roles, open
    from jsonb_to_recordset(${JSON.stringify(ROWS)}::jsonb) as t (id text, owner text, roles text[], open boolean)
    where ${seenBy(condition, listed)}`);

function holds({ kind }: Condition, row: Row): boolean {
  switch (kind?.$case) {
    case 'always':
      return kind.value;
    case 'allOf':
      return kind.value.conditions.every((one) => holds(one, row));
    case 'anyOf':
      return kind.value.conditions.some((one) => holds(one, row));
    case 'not':
      return !holds(kind.value, row);
    case 'ids':
      return kind.value.ids.includes(row.id);
    case 'owners':
      return kind.value.ids.includes(row.owner ?? '?');
    case 'hasOwner':
      return row.owner !== null;
    case 'in':
      return kind.value.references.some(({ type, id }) =>
        (type === 'Role' ? (row.roles ?? []) : type === 'Group' ? (PATHS[row.id] ?? []) : []).includes(id),
      );
    case 'findable':
      return row.open;
    default:
      return false;
  }
}

const ids = fc.subarray(IDS);
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc
    .oneof(
      // By default what is within is hardly ever but true or false.
      { maxDepth: 4, depthSize: 'max', withCrossShrink: true },
      fc.boolean().map((value) => ({ $case: 'always' as const, value })),
      ids.map((ids) => ({ $case: 'ids' as const, value: { ids } })),
      ids.map((ids) => ({ $case: 'owners' as const, value: { ids } })),
      fc.constant({ $case: 'hasOwner' as const, value: true }),
      fc.constant({ $case: 'findable' as const, value: true }),
      fc
        .array(fc.record({ type: fc.constantFrom('Role', 'Group', 'Room'), id: fc.constantFrom('r1', 'r2', 'r3', 'a', 'b') }), {
          maxLength: 2,
        })
        .map((references) => ({ $case: 'in' as const, value: { references } })),
      fc.array(tie('condition'), { maxLength: 3 }).map((conditions) => ({ $case: 'allOf' as const, value: { conditions } })),
      fc.array(tie('condition'), { maxLength: 3 }).map((conditions) => ({ $case: 'anyOf' as const, value: { conditions } })),
      tie('condition').map((value) => ({ $case: 'not' as const, value })),
    )
    .map((kind): Condition => ({ kind })),
}));

test('the database finds exactly the rows that a condition holds for', async (t) => {
  const numbers = new Set<number>();
  await fc.assert(
    fc.asyncProperty(condition, async (one) => {
      const rows = await found(one);
      numbers.add(rows.length);
      t.deepEqual(
        rows,
        ROWS.filter((row) => holds(one, row)),
        JSON.stringify(one),
      );
    }),
    { numRuns: 300 },
  );
  t.true(numbers.size > 5);
});

test('who brings no condition sees nothing, nor does one that a newer release writes', async (t) => {
  t.deepEqual(await found(undefined), []);
  t.deepEqual(await found({ kind: undefined }), []);
  t.deepEqual(await found({ kind: { $case: 'not', value: { kind: undefined } } }), []);
});

test('what a list does not know of its things is true of none of them', async (t) => {
  const owners: Condition = { kind: { $case: 'owners', value: { ids: IDS } } };
  t.deepEqual(await found(owners, { id: sql`t.id` }), []);
  const roles: Condition = { kind: { $case: 'in', value: { references: [{ type: 'Role', id: 'r1' }] } } };
  t.deepEqual(await found(roles, { id: sql`t.id` }), []);
  const findable: Condition = { kind: { $case: 'findable', value: true } };
  t.deepEqual(await found(findable, { id: sql`t.id` }), []);
  for (const value of [roles, findable])
    t.deepEqual((await found({ kind: { $case: 'not', value } }, { id: sql`t.id` })).length, ROWS.length);
});

test('what has no owner is owned by nobody, and what is in nothing is in none: that is known', async (t) => {
  const owners: Condition = { kind: { $case: 'owners', value: { ids: ['a'] } } };
  const roles: Condition = { kind: { $case: 'in', value: { references: [{ type: 'Role', id: 'r1' }] } } };
  for (const condition of [owners, roles]) {
    const not: Condition = { kind: { $case: 'not', value: condition } };
    t.deepEqual(
      await found(not),
      ROWS.filter((row) => !holds(condition, row)),
    );
  }
});

test('a condition that no policy makes is refused before the database sees it', (t) => {
  let deep: Condition = { kind: { $case: 'always', value: true } };
  for (let i = 0; i < 200; i++) deep = { kind: { $case: 'not', value: deep } };
  t.throws(() => seenBy(deep, LISTED), { message: /too many within each other/ });
});
