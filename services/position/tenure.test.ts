import { randomUUID } from 'node:crypto';
import test from 'ava';
import { readBindings } from './bindings.ts';
import { call, type Job, job, ledBy, NO_TENURE, openTestPositions } from './position.fixture.ts';

// What a change comes to for how long members are bound: Auth is told, and says whether that may be.

const { db, service, begin, commit, createGroup, createPosition, change, undo, close } = await openTestPositions('tenure');
test.after.always(close);

const later = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();

/** What is told of a change, which is undone. */
async function tenureOf(groupId: string, memberId: string, asked: Parameters<typeof begin>[2]) {
  const one = job();
  const { tenure } = await begin(groupId, memberId, asked, one);
  await undo(one.of('begin'));
  return tenure;
}

test('to be bound for longer is to be given something, to be bound for less long to have it taken away', async (t) => {
  const { groupId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [memberId, soon, late] = [randomUUID(), later(1), later(2)];
  const bind = (until?: string) => ({ bind: [positionId], until });
  t.deepEqual(await tenureOf(groupId, memberId, bind(soon)), NO_TENURE, 'it was not bound');
  await change(groupId, memberId, bind(soon));
  const longer = { ...NO_TENURE, prolongedIds: [positionId] };
  t.deepEqual(await tenureOf(groupId, memberId, bind(late)), longer);
  t.deepEqual(await tenureOf(groupId, memberId, bind()), longer);
  t.deepEqual(await tenureOf(groupId, memberId, bind(soon)), NO_TENURE);
  t.deepEqual(await tenureOf(groupId, memberId, bind(later(0.5))), {
    ...NO_TENURE,
    shortens: true,
    shortened: { positionIds: [positionId] },
  });
  await change(groupId, memberId, bind());
  t.deepEqual(
    await tenureOf(groupId, memberId, bind(late)),
    { ...NO_TENURE, shortens: true, shortened: { positionIds: [positionId] } },
    'from none to one',
  );
  t.deepEqual(await tenureOf(groupId, memberId, { release: [positionId] }), NO_TENURE, 'it is let go');
});

test('of who asks it is told what ends before what it gives does, wherever it holds that', async (t) => {
  const [here, there] = [await createGroup(), await createGroup()];
  const { positionId } = await createPosition(here.groupId);
  const [byMemberId, other, memberId] = [randomUUID(), randomUUID(), randomUUID()];
  const [lasting, soon] = [await createPosition(there.groupId), later(2)];
  await change(there.groupId, byMemberId, { bind: [lasting.positionId] });
  await change(there.groupId, byMemberId, { bind: [there.leading], until: soon });
  await change(here.groupId, other, { bind: [positionId], until: later(3) });
  const sooner = async (asked: Parameters<typeof begin>[2], whose: string = memberId) =>
    (await tenureOf(here.groupId, whose, { byMemberId, ...asked }))?.endingSoonerIds;
  t.deepEqual(await sooner({ bind: [positionId] }), [there.leading]);
  t.deepEqual(await sooner({ bind: [positionId], until: later(3) }), [there.leading]);
  t.deepEqual(await sooner({ bind: [positionId], until: soon }), [], 'it ends with it');
  t.deepEqual(await sooner({ bind: [positionId], until: later(1) }), []);
  t.deepEqual(await sooner({ bind: [positionId] }, other), [there.leading], 'to prolong is to give');
  t.deepEqual(await sooner({ bind: [positionId], until: later(1) }, other), [], 'to shorten is not');
  t.deepEqual(await sooner({ release: [positionId] }, other), []);
  t.deepEqual(await sooner({ bind: [positionId], byMemberId: undefined }), [], 'the system itself');
  // Auth may know already what a job is about to make of it.
  const [binding, shortening] = [job(), job()];
  await begin(here.groupId, byMemberId, { bind: [here.leading], until: soon }, binding);
  t.deepEqual(await sooner({ bind: [positionId] }), [here.leading, there.leading].sort());
  await undo(binding.of('begin'));
  await begin(there.groupId, byMemberId, { bind: [lasting.positionId], until: soon }, shortening);
  t.deepEqual(await sooner({ bind: [positionId] }), [lasting.positionId, there.leading].sort());
  await undo(shortening.of('begin'));
  // It prolongs what it holds itself by nothing else.
  await change(here.groupId, byMemberId, { bind: [positionId], until: soon });
  t.deepEqual(await sooner({ bind: [positionId] }, byMemberId), [positionId, there.leading].sort());
  await t.throwsAsync(begin(here.groupId, memberId, { bind: [positionId], byMemberId: 'x' }), { code: 'INVALID_ARGUMENT' });
});

test('what is permitted more by a position is given to all who hold it, for as long as they do', async (t) => {
  const { groupId, leading, ofMembers } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [byMemberId, holder, soon, late] = [randomUUID(), randomUUID(), later(1), later(2)];
  await change(groupId, byMemberId, { bind: [leading], until: soon });
  const update = (id: string, by: string | undefined, { of }: Job = job()) =>
    service.beginUpdatePosition(
      { operationId: of('update'), groupId, positionId: id, permissions: { permissions: [] }, ...(by ? { byMemberId: by } : {}) },
      call,
    );
  const sooner = async (id: string = positionId, by: string | null = byMemberId) => {
    const one = job();
    const { tenure } = await update(id, by ?? undefined, one);
    await undo(one.of('update'));
    return tenure?.endingSoonerIds;
  };
  t.deepEqual(await sooner(), [], 'nobody holds it');
  await change(groupId, holder, { bind: [positionId], until: soon });
  t.deepEqual(await sooner(), [], 'for as long');
  await change(groupId, randomUUID(), { bind: [positionId], until: late });
  t.deepEqual(await sooner(), [leading], 'one does for longer');
  t.deepEqual(await sooner(positionId, null), [], 'the system itself');
  t.deepEqual(await sooner(positionId, randomUUID()), [], 'who has no term');
  t.deepEqual(await sooner(leading), [leading], 'others lead without end');
  t.deepEqual(await sooner(ofMembers), [leading], 'everybody in the group holds that');
  const { positionId: another } = await createPosition(groupId);
  await change(groupId, byMemberId, { bind: [another] });
  t.deepEqual(await sooner(another), [leading], 'it holds it itself');
  // One that is just being bound, who may be the one who asks, counts as bound; and nobody is meanwhile.
  const { positionId: third } = await createPosition(groupId);
  const binding = job();
  await begin(groupId, holder, { bind: [third] }, binding);
  t.deepEqual(await sooner(third), [leading]);
  await undo(binding.of('begin'));
  const updating = job();
  await update(third, byMemberId, updating);
  t.like(await t.throwsAsync(begin(groupId, holder, { bind: [third] })), { code: 'POSITION_BUSY', retryable: true });
  await undo(updating.of('update'));
  await t.notThrowsAsync(begin(groupId, holder, { bind: [third] }));
  await t.throwsAsync(update(positionId, 'x'), { code: 'INVALID_ARGUMENT' });
});

test('what a member holds until a moment is listed, wherever it is', async (t) => {
  const [here, there] = [await createGroup(), await createGroup()];
  const memberId = randomUUID();
  const lasting = await createPosition(here.groupId);
  const ending = async (whose: string = memberId) =>
    (await service.listEnding({ operationId: job().of('ending'), memberId: whose }, call)).positionIds;
  t.deepEqual(await ending(), []);
  await change(here.groupId, memberId, { bind: [lasting.positionId] });
  t.deepEqual(await ending(), [], 'without end');
  for (const { groupId, leading } of [here, there]) await change(groupId, memberId, { bind: [leading], until: later(1) });
  t.deepEqual(await ending(), [here.leading, there.leading].sort());
  t.deepEqual(await ending(randomUUID()), []);
  await t.throwsAsync(ending('x'), { code: 'INVALID_ARGUMENT' });
});

test('who leads by a term is not the one who stays where another leads for longer', async (t) => {
  const { groupId, leading, leaderId } = await createGroup();
  const [deputy, third, soon, late] = [randomUUID(), randomUUID(), later(1), later(2)];
  await change(groupId, deputy, { bind: [leading], until: soon });
  const leave = { releaseAll: true };
  t.deepEqual(await tenureOf(groupId, leaderId, leave), ledBy());
  t.deepEqual(await tenureOf(groupId, deputy, leave), ledBy(leaderId));
  // A term is the end of the last leader as letting it go is.
  t.deepEqual(await tenureOf(groupId, leaderId, { bind: [leading], until: late }), {
    ...ledBy(),
    shortens: true,
    shortened: { positionIds: [leading] },
  });
  await change(groupId, third, { bind: [leading], until: late });
  t.deepEqual(await tenureOf(groupId, deputy, leave), ledBy(leaderId, third));
  t.deepEqual(await tenureOf(groupId, leaderId, { bind: [leading], until: late }), {
    ...ledBy(),
    shortens: true,
    shortened: { positionIds: [leading] },
  });
  // Of all by a term the one with the longest stays.
  await change(groupId, leaderId, { bind: [leading], until: late });
  t.deepEqual(await tenureOf(groupId, deputy, leave), ledBy(leaderId, third));
  t.deepEqual(await tenureOf(groupId, third, leave), ledBy(leaderId));
  await change(groupId, leaderId, { bind: [leading], until: soon });
  t.deepEqual(await tenureOf(groupId, third, leave), ledBy());
  // One that is just being bound for less long counts as such.
  await change(groupId, leaderId, { bind: [leading] });
  await begin(groupId, leaderId, { bind: [leading], until: soon });
  t.deepEqual(await tenureOf(groupId, third, leave), ledBy());
});

test('a successor leads for as long as who leaves would have, and no less long than it does', async (t) => {
  const { groupId, leading } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [deputy, successorId, soon, late] = [randomUUID(), randomUUID(), later(1), later(2)];
  await change(groupId, deputy, { bind: [leading], until: late });
  await change(groupId, successorId, { bind: [leading], until: soon });
  const leave = { releaseAll: true, successorId };
  t.like(await tenureOf(groupId, deputy, leave), { prolongedIds: [leading] });
  const one = job();
  const { terms } = await begin(groupId, deputy, leave, one);
  const of = (memberId: string, until?: string) => ({ groupId, memberId, positionId: leading, ...(until ? { until } : {}) });
  t.like(terms, [of(deputy), of(successorId, late)]);
  await commit(one);
  const boundUntil = async () =>
    (await readBindings(db, { ids: [`${groupId}.${successorId}`] }))[0]?.bindings.map(({ until }) => until?.toISOString());
  t.deepEqual(await boundUntil(), [late]);
  await change(groupId, deputy, { bind: [leading], until: soon });
  await change(groupId, deputy, leave);
  t.deepEqual(await boundUntil(), [late], 'it led for longer');
  await change(groupId, deputy, { bind: [positionId] });
  t.like(await begin(groupId, deputy, { ...leave, successorId: randomUUID() }), { bindings: { length: 1 } }, 'it led no more');
});
