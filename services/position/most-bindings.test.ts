import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_BINDINGS } from '#platform/validation/position-fields.ts';
import { call, job, openTestPositions } from './position.fixture.ts';

const { db, service, begin, commit, createGroup, change, boundTo, undo, close } = await openTestPositions('most_bindings');
test.after.always(close);

/** A member that is bound to so many positions, each in a group of its own. */
async function boundToMany(count: number): Promise<string> {
  const memberId = randomUUID();
  await db.query(sql`
    with made as (
      insert into positions (position_id, group_id, name, kind, permissions, version, created_at, updated_at)
      select gen_random_uuid()::text, gen_random_uuid()::text, 'Leader', 'leader', '[]', 1, now(), now() from generate_series(1, ${count})
      returning position_id, group_id
    ), bound as (
      insert into binding_versions (group_id, member_id, version) select group_id, ${memberId}, 1 from made
    )
    select count(*) from made`);
  await db.query(sql`
    insert into bindings (group_id, member_id, position_id, bound_at)
    select group_id, v.member_id, position_id, now() from binding_versions v join positions p using (group_id) where v.member_id = ${memberId}`);
  return memberId;
}

const TOO_MANY = { code: 'TOO_MANY_BINDINGS' };

test('a member is bound to so many positions in all, and no more, also when it is bound to several at once', async (t) => {
  const memberId = await boundToMany(MOST_BINDINGS - 1);
  const groups = [await createGroup(), await createGroup()] as const;
  const jobs = [job(), job()] as const;
  const outcomes = await Promise.allSettled(
    groups.map(({ groupId, leading }, at) => begin(groupId, memberId, { bind: [leading] }, jobs[at])),
  );
  t.deepEqual(outcomes.map((one) => (one.status === 'fulfilled' ? 'begun' : one.reason.code)).sort(), [
    'TOO_MANY_BINDINGS',
    'begun',
  ]);
  const isFirst = outcomes[0]?.status === 'fulfilled';
  const [bound, other] = isFirst ? groups : ([groups[1], groups[0]] as const);
  await undo(jobs[isFirst ? 0 : 1].of('begin'));
  await change(bound.groupId, memberId, { bind: [bound.leading] });

  await t.throwsAsync(begin(other.groupId, memberId, { bind: [other.leading] }), TOO_MANY);
  await t.throwsAsync(begin(other.groupId, other.leaderId, { releaseAll: true, successorId: memberId }), TOO_MANY);
  const making = { operationId: job().of('add'), groupId: randomUUID(), leaderId: memberId };
  await t.throwsAsync(async () => service.addDefaultPositions(making, call), TOO_MANY);
  await t.notThrowsAsync(change(bound.groupId, memberId, { bind: [bound.leading] }), 'what it is bound to already');

  const letting = job();
  await begin(bound.groupId, memberId, { releaseAll: true }, letting);
  await t.throwsAsync(begin(other.groupId, memberId, { bind: [other.leading] }), TOO_MANY, 'which may be undone');
  await commit(letting);
  await t.notThrowsAsync(change(other.groupId, memberId, { bind: [other.leading] }));
  t.deepEqual(await boundTo(other.groupId, memberId), [other.leading]);
});
