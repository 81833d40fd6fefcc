import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { call, job, openTestPositions } from './position.fixture.ts';

// Who is told when a position permits something else: nobody may be missed by whom Auth went until then.

let { db, service, begin, commit, change, createGroup, createPosition, closeAndRelease, close } = {} as Awaited<
  ReturnType<typeof openTestPositions>
>;
test.before(async () => {
  ({ db, service, begin, commit, change, createGroup, createPosition, closeAndRelease, close } =
    await openTestPositions('holders'));
});
test.after.always(() => close?.());

async function holders(positionId: string) {
  const { memberIds, tooMany } = await service.listHolders({ operationId: job().of('list'), positionId }, call);
  return { memberIds: memberIds.toSorted(), tooMany };
}

test('those who are bound are listed, and those whom jobs bind or let go, until that is through; others are not', async (t) => {
  const { groupId } = await createGroup();
  const [{ positionId }, { positionId: other }] = [await createPosition(groupId), await createPosition(groupId)];
  const [bound, comes, goes, elsewhere] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  for (const memberId of [bound, goes]) await change(groupId, memberId, { bind: [positionId] });
  await change(groupId, elsewhere, { bind: [other] });
  const [coming, going] = [job(), job()];
  await begin(groupId, comes, { bind: [positionId] }, coming);
  await begin(groupId, goes, { release: [positionId] }, going);
  const all = { memberIds: [bound, comes, goes].toSorted(), tooMany: false };
  t.deepEqual(await holders(positionId), all, 'Auth may have let it go already, whose sockets do not know it yet');
  await commit(coming);
  await commit(going);
  t.deepEqual(await holders(positionId), { memberIds: [bound, comes].toSorted(), tooMany: false });
});

test('who is being deleted is listed: its sockets are closed later', async (t) => {
  const { groupId, leading, leaderId } = await createGroup();
  await change(groupId, randomUUID(), { bind: [leading] });
  await closeAndRelease(leaderId);
  t.true((await holders(leading)).memberIds.includes(leaderId));
});

test('more than a thousand are not named', async (t) => {
  const { groupId, leading } = await createGroup();
  const fill = (count: number) =>
    db.query(sql`insert into bindings (group_id, member_id, position_id, bound_at)
      select ${groupId}, gen_random_uuid()::text, ${leading}, now() from generate_series(1, ${count}::int)`);
  await fill(999);
  t.is((await holders(leading)).memberIds.length, 1_000);
  await fill(1);
  t.deepEqual(await holders(leading), { memberIds: [], tooMany: true });
});
