import { readFileSync } from 'node:fs';
import { checkParsePolicySet, validate } from '@cedar-policy/cedar-wasm/nodejs';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { BUILT_IN_ROLES, definitionHash } from './built-in.ts';
import { installed, putBuiltInRole } from './built-in-store.ts';
import { ensureBuiltInRoles } from './rpcs/ensure-built-in-roles.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('built_in_roles');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

test.serial('many that install them at the same time install them once', async (t) => {
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => ensureBuiltInRoles(db)));
  for (const { roles } of [...answers, await ensureBuiltInRoles(db)]) {
    t.deepEqual(
      roles.map(({ roleId, version, builtIn, policies }) => ({ roleId, version, builtIn, policies: policies.length })),
      [
        { roleId: 'admin', version: 1, builtIn: true, policies: 1 },
        { roleId: 'member', version: 1, builtIn: true, policies: 10 },
      ],
    );
  }
  const definitions = BUILT_IN_ROLES.map(({ roleId, name, description, policies }) => ({
    roleId,
    name,
    description,
    policies: [...policies].sort((a, b) => (a.policyId < b.policyId ? -1 : 1)),
  }));
  t.deepEqual(
    (answers[0]?.roles ?? []).map(({ roleId, name, description, policies }) => ({ roleId, name, description, policies })),
    definitions,
  );
});

test.serial('a release that defines one otherwise gives it a new version, and drops what it no longer carries', async (t) => {
  const [, member] = BUILT_IN_ROLES;
  if (!member) return t.fail();
  const [first] = member.policies;
  if (!first) return t.fail();
  const next = { ...member, name: 'Member 2', policies: [{ ...first, cedar: 'forbid (principal, action, resource);' }] };
  t.not(definitionHash(next), definitionHash(member));
  await db.transaction((tx) => putBuiltInRole(tx, next));
  t.like((await installed(db, ['member']))[0], { version: 2, name: 'Member 2', policies: next.policies });
  t.is((await db.query(sql`select from policies`)).length, 2);
  const gone = await db.query<{ id: string }>(
    sql`select aggregateid as id from outbox where type = 'policy.deleted' and version = 2 order by 1`,
  );
  const dropped = member.policies.slice(1).map(({ policyId }) => policyId);
  t.deepEqual(
    gone.map(({ id }) => id),
    dropped.sort(),
    'readers are told',
  );
  const [, back] = (await ensureBuiltInRoles(db)).roles;
  t.like(back, { version: 3, name: 'Member' });
  t.is(back?.policies.length, member.policies.length);
});

test('their policies are valid for the schema that Auth checks them with', (t) => {
  const schema = readFileSync(new URL('../auth/cedar/schema.cedarschema', import.meta.url), 'utf8');
  const policies = Object.fromEntries(
    BUILT_IN_ROLES.flatMap((role) => role.policies.map(({ policyId, cedar }) => [policyId, cedar])),
  );
  t.is(Object.keys(policies).length, 11, 'each has an ID of its own');
  t.deepEqual(checkParsePolicySet({ staticPolicies: policies }), { type: 'success' });
  const answer = validate({ schema, policies: { staticPolicies: policies }, validationSettings: { mode: 'strict' } });
  t.like(answer, { type: 'success', validationErrors: [] });
});
