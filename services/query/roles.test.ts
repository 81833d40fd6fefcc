import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Database } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { memberEvent, memberRolesEvent, policyEvent, roleEvent } from './events.fixture.ts';
import { project } from './projector.ts';
import { listMembers } from './queries/list-members.ts';
import { getPolicy, getRole, listPolicies, listRoles } from './queries/roles.ts';
import { newSearches } from './queries/searches.ts';
import { ALL, only } from './seen.fixture.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('query_roles');
let db: Database;
const NAMES = ['auditor', 'Editor', 'Émile', 'zeta'];
const IDS = new Map(NAMES.map((name) => [name, randomUUID()]));
const idOf = (name: string): string => IDS.get(name) ?? '';
test.before(async () => {
  db = await openStore(scratch);
  await project(
    db,
    [...IDS].map(([name, id]) => roleEvent(id, 1, name)),
  );
});
test.after.always(() => scratch.drop());

const namesOf = async (given: { seen?: Condition; memberId?: string; pageSize?: number; pageToken?: string } = {}) => {
  const { roles, nextPageToken } = await listRoles(db, { seen: ALL, memberId: '', pageSize: 0, pageToken: '', ...given });
  return { names: roles.map(({ name }) => name), nextPageToken };
};

test.serial('roles are listed as people order names, a page at a time, each once', async (t) => {
  t.deepEqual((await namesOf()).names, NAMES);
  const first = await namesOf({ pageSize: 3 });
  t.deepEqual(first.names, NAMES.slice(0, 3));
  t.deepEqual(await namesOf({ pageSize: 3, pageToken: first.nextPageToken }), { names: NAMES.slice(3), nextPageToken: '' });
  await t.throwsAsync(namesOf({ memberId: 'm1', pageToken: first.nextPageToken }), { code: 'PAGE_TOKEN_INVALID' });
});

test.serial('who may see some roles is listed these, and pages are as long as they may be', async (t) => {
  const seen = only(idOf('Editor'), idOf('zeta'));
  t.deepEqual((await namesOf({ seen })).names, ['Editor', 'zeta']);
  const page = await namesOf({ seen, pageSize: 1 });
  t.deepEqual(page.names, ['Editor']);
  t.deepEqual(await namesOf({ seen, pageSize: 1, pageToken: page.nextPageToken }), { names: ['zeta'], nextPageToken: '' });
  const nobody = await listRoles(db, { seen: undefined, memberId: '', pageSize: 0, pageToken: '' });
  t.deepEqual(nobody, { roles: [], nextPageToken: '' });
});

test.serial('the roles of a member, and the members of a role', async (t) => {
  const [m1, m2] = [randomUUID(), randomUUID()];
  await project(db, [
    memberEvent(m1, 1, { displayName: 'one' }),
    memberEvent(m2, 1, { displayName: 'two' }),
    memberRolesEvent(m1, 1, [idOf('Editor'), 'gone']),
    memberRolesEvent(m2, 1, [idOf('Editor'), idOf('zeta')]),
  ]);
  t.deepEqual((await namesOf({ memberId: m1 })).names, ['Editor']);
  t.deepEqual((await namesOf({ memberId: m2 })).names, ['Editor', 'zeta']);
  t.deepEqual((await namesOf({ memberId: randomUUID() })).names, []);
  const membersOf = async (roleId: string, seen: Condition, query = '') => {
    const request = { query, pageSize: 0, pageToken: '', memberId: m1, seen, roleId };
    return (await listMembers({ db, searches: newSearches() }, request)).members.map(({ displayName }) => displayName);
  };
  t.deepEqual(await membersOf(idOf('Editor'), ALL), ['one', 'two']);
  t.deepEqual(await membersOf(idOf('zeta'), ALL), ['two']);
  t.deepEqual(await membersOf(idOf('Editor'), only(m1)), ['one']);
  t.deepEqual(await membersOf(idOf('Editor'), ALL, 'two'), ['two']);
  const page = { query: '', pageSize: 1, memberId: m1, seen: ALL };
  const { nextPageToken } = await listMembers(
    { db, searches: newSearches() },
    { ...page, pageToken: '', roleId: idOf('Editor') },
  );
  t.not(nextPageToken, '');
  const other = { ...page, pageToken: nextPageToken, roleId: idOf('zeta') };
  await t.throwsAsync(listMembers({ db, searches: newSearches() }, other), { code: 'PAGE_TOKEN_INVALID' });
  const inRole: Condition = { kind: { $case: 'in', value: { references: [{ type: 'Role', id: idOf('zeta') }] } } };
  t.deepEqual(await membersOf('', inRole), ['two']);
  t.deepEqual(await membersOf('', { kind: { $case: 'owners', value: { ids: [m1] } } }), ['one'], 'a member is its own');
});

test.serial('a role is as its last event says, and gone after it was deleted', async (t) => {
  const id = randomUUID();
  await project(db, [roleEvent(id, 1, 'first'), roleEvent(id, 2, 'second', ['p1'])]);
  t.like(await getRole(db, { roleId: id, seen: ALL }), {
    roleId: id,
    name: 'second',
    description: 'what second may',
    policyIds: ['p1'],
    version: 2,
  });
  await project(db, [roleEvent(id, 3, undefined)]);
  await project(db, [roleEvent(id, 2, 'second')]);
  await t.throwsAsync(getRole(db, { roleId: id, seen: ALL }), { code: 'ROLE_NOT_FOUND' });
  t.deepEqual((await namesOf()).names, NAMES);
  await t.throwsAsync(getRole(db, { roleId: '\0', seen: ALL }), { code: 'ROLE_NOT_FOUND' });
});

test.serial('a role or policy is there for those who may see it', async (t) => {
  const [roleId, policyId] = [randomUUID(), randomUUID()];
  await project(db, [roleEvent(roleId, 1, 'seen'), policyEvent(policyId, 1, 'seen')]);
  const seen = only(roleId, policyId);
  t.like(await getRole(db, { roleId, seen }), { roleId });
  t.like(await getPolicy(db, { policyId, seen }), { policyId });
  for (const seen of [only(randomUUID()), undefined]) {
    await t.throwsAsync(getRole(db, { roleId, seen }), { code: 'ROLE_NOT_FOUND' });
    await t.throwsAsync(getPolicy(db, { policyId, seen }), { code: 'POLICY_NOT_FOUND' });
  }
  await project(db, [roleEvent(roleId, 2, undefined), policyEvent(policyId, 2, undefined)]);
});

test.serial('a policy is shown in the form that it was written in', async (t) => {
  const [plain, simple] = [randomUUID(), randomUUID()];
  const form = { effect: 'EFFECT_DENY' as const, actions: ['member.read'], resources: ['own'] };
  await project(db, [policyEvent(plain, 1, 'plain'), policyEvent(simple, 1, 'simple', form)]);
  t.is((await getPolicy(db, { policyId: plain, seen: ALL })).simple, undefined);
  t.like(await getPolicy(db, { policyId: simple, seen: ALL }), { name: 'simple', simple: form, version: 1, builtIn: false });
  const { policies } = await listPolicies(db, { seen: ALL, pageSize: 0, pageToken: '' });
  t.deepEqual(
    policies.map(({ name }) => name),
    ['plain', 'simple'],
  );
  await project(db, [policyEvent(plain, 2, undefined)]);
  await t.throwsAsync(getPolicy(db, { policyId: plain, seen: ALL }), { code: 'POLICY_NOT_FOUND' });
});
