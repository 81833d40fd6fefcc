import { readFileSync } from 'node:fs';
import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import test from 'ava';
import { allRoutes } from '../gateway/routes/index.ts';

test('routes ask for the actions that policies can be written about, all of them and no other', (t) => {
  const answer = schemaToJson(readFileSync(new URL('../services/auth/cedar/schema.cedarschema', import.meta.url), 'utf8'));
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  const known = Object.values(answer.json).flatMap(({ actions }) => Object.keys(actions));
  const asked = allRoutes(undefined).flatMap(({ action }) => action ?? []);
  t.deepEqual([...new Set(asked)].sort(), known.sort());
});
