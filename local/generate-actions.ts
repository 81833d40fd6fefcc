import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Writes the names of Auth's actions as a type beside the generated contract: a route that asks for another one does not compile. */
const root = join(import.meta.dirname, '..');
const schema = 'services/auth/cedar/schema.cedarschema';
const target = join(root, 'platform/gen/musubi/auth/v1/actions.ts');

const read = schemaToJson(readFileSync(join(root, schema), 'utf8'));
if (read.type === 'failure') throw new Error(`${schema}: ${read.errors.map(({ message }) => message).join('; ')}`);
const names = Object.values(read.json).flatMap(({ actions }) => Object.keys(actions));
mkdirSync(dirname(target), { recursive: true });
writeFileSync(
  target,
  `// Generated from ${schema}.\n\n/** What a policy can permit. */\nexport type Action =${names.map((name) => `\n  | '${name}'`).join('')};\n`,
);
