import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';

/**
 * Writes Auth's actions, with the types of resources that each is about, and their schema beside the generated contract: a route that asks
 * for another action does not compile, and who writes a policy reads what it can be about.
 */
const root = join(import.meta.dirname, '..');
const schema = 'services/auth/cedar/schema.cedarschema';
const target = join(root, 'platform/gen/musubi/auth/v1/actions.ts');

const text = readFileSync(join(root, schema), 'utf8');
const read = schemaToJson(text);
if (read.type === 'failure') throw new Error(`${schema}: ${read.errors.map(({ message }) => message).join('; ')}`);
const actions = Object.values(read.json).flatMap((namespace) => Object.entries(namespace.actions));
const union = actions.map(([name]) => `\n  | '${name}'`).join('');
const types = actions
  .map(([name, { appliesTo }]) => `\n  '${name}': ${JSON.stringify(appliesTo?.resourceTypes ?? [])},`)
  .join('');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(
  target,
  `// Generated from ${schema}.

/** What a policy can permit. */
export type Action =${union};

/** The types of resources that an action may be about. */
export const RESOURCE_TYPES: Readonly<Record<Action, readonly string[]>> = {${types}
};

/** All that policies can be about, as Cedar has it. */
export const CEDAR_SCHEMA = ${JSON.stringify(text)};
`,
);
