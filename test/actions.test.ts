import { readFileSync } from 'node:fs';
import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import test from 'ava';
import { allRoutes } from '../gateway/routes/index.ts';
import * as sagas from '../workflows/sagas.ts';

test('routes ask for the actions that policies can be written about, all of them and no other', (t) => {
  const answer = schemaToJson(readFileSync(new URL('../services/auth/cedar/schema.cedarschema', import.meta.url), 'utf8'));
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  const known = Object.values(answer.json).flatMap(({ actions }) => Object.keys(actions));
  const asked = allRoutes(undefined).flatMap(({ action, selfAction }) => [action ?? [], selfAction ?? []].flat());
  t.deepEqual([...new Set(asked)].sort(), known.sort());
});

/** What only the system itself begins. */
const OF_THE_SYSTEM: readonly string[] = ['group.take-in-members', 'group.expire-invitation', 'position.end-term'];

/** What several operations do, each of which has words of its own. */
const OF_SEVERAL = 'group.change-tags';

/** What is authorised as the same for one. */
const AS_FOR_ONE: Readonly<Record<string, string>> = { 'group.add-members': 'group.add-member' };

/** Whose verb is also that of a group's command. */
const WITH_NOUN: Readonly<Record<string, string>> = {
  'room.add-member': 'add-room-member',
  'room.remove-member': 'remove-room-member',
};

/** `member.update` → `updateMember`, `update-member`; `auth.change-password` says itself what is changed. */
const wordsOf = (command: string) => {
  const [noun = '', verb = ''] = command.split('.');
  const words = WITH_NOUN[command] ?? (verb.includes('-') ? verb : `${verb}-${noun}`);
  return {
    operationId: words.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    file: `workflows/${words}.ts`,
  };
};

test('a command, the action that it is authorised by, its operation and its workflow share their words', (t) => {
  const routes = allRoutes(undefined);
  t.true(Object.keys(sagas).length >= 3);
  for (const command of Object.keys(sagas).filter((name) => !OF_THE_SYSTEM.includes(name))) {
    const { operationId, file } = wordsOf(command);
    const doing = routes.filter((route) => route.command === command);
    t.deepEqual([...new Set(doing.map(({ action }) => String(action)))], [AS_FOR_ONE[command] ?? command]);
    t.is(
      doing.some((route) => route.operationId === operationId),
      command !== OF_SEVERAL,
      command,
    );
    const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
    t.true(text.includes(`export const ${operationId} = saga(`) && text.includes(`'${command}'`), file);
  }
});
