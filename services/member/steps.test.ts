import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { call, openTestMember, type TestMember } from './member.fixture.ts';

/** Every step of the service keeps the same promises: repeats, undos and late arrivals. */

let member: TestMember;
let { db, service, rowOf } = {} as TestMember;
test.before(async () => {
  member = await openTestMember('steps');
  ({ db, service, rowOf } = member);
});
test.after.always(() => member?.close());

interface Target {
  memberId: string;
  jobId: string;
}

const profile = { loginId: 'Alice', displayName: '山田 花子', email: 'alice@example.com' };
const create = ({ memberId, jobId }: Target) =>
  service.createMember({ operationId: `${jobId}/create`, memberId, ...profile }, call);
const activate = ({ memberId, jobId }: Target) => service.activateMember({ operationId: `${jobId}/activate`, memberId }, call);
const beginUpdate = ({ memberId, jobId }: Target) =>
  service.beginUpdate(
    { operationId: `${jobId}/begin-update`, memberId, changes: { displayName: ' Bob ', email: 'bob@example.com' } },
    call,
  );
const commitUpdate = ({ memberId, jobId }: Target) =>
  service.commitUpdate({ operationId: `${jobId}/commit-update`, memberId }, call);
const beginDelete = ({ memberId, jobId }: Target) =>
  service.beginDelete({ operationId: `${jobId}/begin-delete`, memberId }, call);
const deleteMember = ({ memberId, jobId }: Target) =>
  service.deleteMember({ operationId: `${jobId}/delete-member`, memberId }, call);

const closeMember = ({ memberId, jobId }: Target, reopens = false) =>
  service.closeMember({ operationId: `${jobId}/close-member`, memberId, reopens }, call);
const closeForAWhile = (target: Target) => closeMember(target, true);
const beginSuspend = ({ memberId, jobId }: Target) =>
  service.beginSuspend({ operationId: `${jobId}/begin-suspend`, memberId, byMemberId: 'admin', reason: ' on leave ' }, call);
const suspendMember = ({ memberId, jobId }: Target) =>
  service.suspendMember({ operationId: `${jobId}/suspend-member`, memberId }, call);
const suspended = [create, activate, closeForAWhile, beginSuspend, suspendMember];
const beginReinstate = ({ memberId, jobId }: Target) =>
  service.beginReinstate({ operationId: `${jobId}/begin-reinstate`, memberId }, call);
const reinstateMember = ({ memberId, jobId }: Target) =>
  service.reinstateMember({ operationId: `${jobId}/reinstate-member`, memberId }, call);

interface Step {
  operation: string;
  arrange: ((target: Target) => Promise<unknown>)[];
  act: (target: Target) => Promise<unknown>;
  /** Event types that the step writes, and then its undo; null: it has none. */
  events: [string[], string[] | null];
  answer: (target: Target) => unknown;
}

const written = (version: number) => (target: Target) => ({ written: { type: 'member', id: target.memberId, version } });

/** Of a step that changes nothing that others can see. */
const untold = { events: [[], []], answer: () => ({}) } satisfies Pick<Step, 'events' | 'answer'>;

const STEPS: Record<string, Step> = {
  CreateMember: {
    operation: 'create',
    arrange: [],
    act: create,
    events: [['member.created'], ['member.deleted']],
    answer: written(1),
  },
  ActivateMember: {
    operation: 'activate',
    arrange: [create],
    act: activate,
    events: [['member.activated'], null],
    answer: written(2),
  },
  BeginUpdate: {
    operation: 'begin-update',
    arrange: [create, activate],
    act: beginUpdate,
    events: [[], []],
    answer: () => ({ loginChanges: false }),
  },
  CommitUpdate: {
    operation: 'commit-update',
    arrange: [create, activate, beginUpdate],
    act: commitUpdate,
    events: [['member.updated'], ['member.updated']],
    answer: written(3),
  },
  CloseMember: { operation: 'close-member', arrange: [create, activate], act: (target) => closeMember(target), ...untold },
  'CloseMember, while another job holds it': {
    operation: 'close-member',
    arrange: [create, activate, ({ memberId, jobId }) => beginUpdate({ memberId, jobId: `other-${jobId}` })],
    act: (target) => closeMember(target),
    ...untold,
  },
  'CloseMember, for a while': { operation: 'close-member', arrange: [create, activate], act: closeForAWhile, ...untold },
  'BeginDelete, once it is closed': {
    operation: 'begin-delete',
    arrange: [create, activate, (target) => closeMember(target)],
    act: beginDelete,
    ...untold,
  },
  BeginDelete: { operation: 'begin-delete', arrange: [create, activate], act: beginDelete, ...untold },
  'DeleteMember, once it is closed': {
    operation: 'delete-member',
    arrange: [create, activate, (target) => closeMember(target), beginDelete],
    act: deleteMember,
    events: [['member.deleted'], ['member.updated']],
    answer: written(3),
  },
  DeleteMember: {
    operation: 'delete-member',
    arrange: [create, activate, beginDelete],
    act: deleteMember,
    events: [['member.deleted'], ['member.updated']],
    answer: written(3),
  },
  'DeleteMember, of a suspended one': {
    operation: 'delete-member',
    arrange: [...suspended, beginDelete],
    act: deleteMember,
    events: [['member.deleted'], ['member.updated']],
    answer: written(4),
  },
  BeginSuspend: { operation: 'begin-suspend', arrange: [create, activate, closeForAWhile], act: beginSuspend, ...untold },
  SuspendMember: {
    operation: 'suspend-member',
    arrange: [create, activate, closeForAWhile, beginSuspend],
    act: suspendMember,
    events: [['member.suspended'], null],
    answer: written(3),
  },
  BeginReinstate: { operation: 'begin-reinstate', arrange: suspended, act: beginReinstate, ...untold },
  ReinstateMember: {
    operation: 'reinstate-member',
    arrange: [...suspended, beginReinstate],
    act: reinstateMember,
    events: [['member.reinstated'], null],
    answer: written(4),
  },
};

const eventsOf = (memberId: string): Promise<{ type: string; version: number; payload: Record<string, unknown> }[]> =>
  db.query(
    sql`select type, version, payload from outbox where aggregatetype = 'member' and aggregateid = ${memberId} order by version`,
  );

async function arranged(step: Step): Promise<Target> {
  const target = { memberId: randomUUID(), jobId: randomUUID() };
  for (const before of step.arrange) await before(target);
  return target;
}

/** Versions always grow by one, and every event has its own. */
async function eventsAreInOrder(t: ExecutionContext, memberId: string): Promise<void> {
  const events = await eventsOf(memberId);
  t.deepEqual(
    events.map((event) => event.version),
    events.map((_, index) => index + 1),
  );
  for (const event of events) {
    t.is(event.payload.version, event.version);
    t.is(event.payload.memberId, memberId);
    t.is(event.payload.member === undefined, event.type === 'member.deleted');
  }
}

for (const [name, step] of Object.entries(STEPS)) {
  test(`${name}: a repeat, even at the same time, answers the same and does nothing`, async (t) => {
    const target = await arranged(step);
    const before = (await eventsOf(target.memberId)).length;
    const answers = await Promise.all([step.act(target), step.act(target), step.act(target)]);
    for (const answer of [...answers, await step.act(target)]) t.deepEqual(answer, step.answer(target));
    const events = await eventsOf(target.memberId);
    t.deepEqual(
      events.slice(before).map((event) => event.type),
      step.events[0],
    );
    await eventsAreInOrder(t, target.memberId);
  });

  test(`${name}: undone before it comes, it is refused and nothing happens`, async (t) => {
    const target = await arranged(step);
    const row = await rowOf(target.memberId);
    const before = await eventsOf(target.memberId);
    await service.undo({ operationId: `${target.jobId}/${step.operation}` }, call);
    await t.throwsAsync(step.act(target), { code: 'OPERATION_UNDONE' });
    t.deepEqual(await rowOf(target.memberId), row);
    t.deepEqual(await eventsOf(target.memberId), before);
  });

  const [, undone] = step.events;
  if (!undone) {
    test(`${name}: once done it is not undone`, async (t) => {
      const target = await arranged(step);
      await step.act(target);
      const row = await rowOf(target.memberId);
      await t.throwsAsync(service.undo({ operationId: `${target.jobId}/${step.operation}` }, call), { code: 'UNDO_IMPOSSIBLE' });
      t.deepEqual(await rowOf(target.memberId), row);
      t.deepEqual(await step.act(target), step.answer(target), 'and is still done');
    });
  } else {
    test(`${name}: its undo leaves the row as it was, tells of it, and may be repeated`, async (t) => {
      const target = await arranged(step);
      const row = await rowOf(target.memberId);
      await step.act(target);
      const before = (await eventsOf(target.memberId)).length;
      const undo = () => service.undo({ operationId: `${target.jobId}/${step.operation}` }, call);
      await Promise.all([undo(), undo()]);
      await undo();
      const after = await rowOf(target.memberId);
      const told = undone.length > 0 && row !== undefined;
      t.deepEqual(after, told ? { ...row, version: (await eventsOf(target.memberId)).at(-1)?.version } : row);
      t.deepEqual(
        (await eventsOf(target.memberId)).slice(before).map((event) => event.type),
        undone,
      );
      await eventsAreInOrder(t, target.memberId);
      await t.throwsAsync(step.act(target), { code: 'OPERATION_UNDONE' });
      t.deepEqual(await rowOf(target.memberId), after);
    });

    test(`${name}: step and undo at the same time end as if they had come one after the other`, async (t) => {
      const target = await arranged(step);
      const row = await rowOf(target.memberId);
      await Promise.allSettled([step.act(target), service.undo({ operationId: `${target.jobId}/${step.operation}` }, call)]);
      const after = await rowOf(target.memberId);
      t.deepEqual(after && { ...after, version: 0 }, row && { ...row, version: 0 });
      await eventsAreInOrder(t, target.memberId);
    });
  }

  test(`${name}: without an operation ID, or a member ID that could be one, it is refused`, async (t) => {
    const jobless = { memberId: randomUUID(), jobId: '' };
    const error = await t.throwsAsync(step.act({ ...jobless, jobId: 'x'.repeat(300) }));
    t.like(error, { code: 'INVALID_ARGUMENT', fields: [{ field: 'operationId' }] });
    t.like(await t.throwsAsync(step.act({ memberId: 'a b', jobId: 'j' })), {
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'memberId' }],
    });
  });
}

test('the undo of an update changes the profile back', async (t) => {
  const target = await arranged(STEPS.CommitUpdate as Step);
  await commitUpdate(target);
  t.like(await rowOf(target.memberId), { display_name: 'Bob', email: 'bob@example.com', status: 'ACTIVE' });
  await service.undo({ operationId: `${target.jobId}/commit-update` }, call);
  await service.undo({ operationId: `${target.jobId}/begin-update` }, call);
  t.like(await rowOf(target.memberId), {
    display_name: '山田 花子',
    email: 'alice@example.com',
    status: 'ACTIVE',
    pending_changes: null,
  });
});

test('what is kept of an operation for a year, its result, holds nothing personal', async (t) => {
  const target = await arranged(STEPS.CommitUpdate as Step);
  await commitUpdate(target);
  const results = await db.query(sql`select result from operations where id like ${`${target.jobId}/%`}`);
  t.is(results.length, 4);
  t.notRegex(JSON.stringify(results), /alice|bob|花子|@/i);
});

test('events tell the whole state as proto3 JSON', async (t) => {
  const target = await arranged(STEPS.BeginUpdate as Step);
  const [created, activated] = await eventsOf(target.memberId);
  const { created_at, updated_at } = (await rowOf(target.memberId)) as { created_at: Date; updated_at: Date };
  const member = {
    memberId: target.memberId,
    ...profile,
    createdAt: created_at.toISOString(),
    updatedAt: updated_at.toISOString(),
  };
  t.like(created?.payload, { version: 1, member: { ...member, updatedAt: member.createdAt, status: 'MEMBER_STATUS_PENDING' } });
  t.like(activated?.payload, { version: 2, member: { ...member, status: 'MEMBER_STATUS_ACTIVE' } });
});
