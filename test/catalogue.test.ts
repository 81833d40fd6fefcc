import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { CallInfo, Handlers } from '#platform/grpc/server.ts';
import type { Program } from '#platform/process/program.ts';
import type { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { SERVICES, TELLERS } from '../services/catalogue.ts';
import { declare, isStep, nameOf } from '../workflows/declaration.ts';
import { allSteps } from '../workflows/records.ts';
import { finish, pivot, type SagaDeclaration, saga } from '../workflows/saga.ts';
import * as sagas from '../workflows/sagas.ts';
import { type AnyStep, services } from '../workflows/step.ts';

// What the catalogue and the sagas say of services, and only their folders can hold.

const root = join(import.meta.dirname, '..');
const NAMES = Object.keys(SERVICES);

test('every service of the catalogue is a program', async (t) => {
  for (const name of NAMES) {
    const { shape, start } = (await import(`../services/${name}/main.ts`)) as Program;
    t.is(typeof start, 'function', `services/${name}/main.ts`);
    t.truthy(shape, `services/${name}/main.ts`);
  }
});

test('every service that tells its state has what tells it', (t) => {
  for (const [name, service] of Object.entries(SERVICES)) {
    const serves = readFileSync(join(root, 'services', name, 'main.ts'), 'utf8').includes("from './state.ts'");
    t.is('tells' in service || 'copies' in service, serves, `services/${name}/main.ts`);
    if ('tells' in service) t.true(existsSync(join(root, 'services', name, 'state.ts')), name);
  }
});

/** What a service's state.ts serves. */
type ServedState = { handlers: Pick<Handlers<StateServiceService>, 'tellState'> };

test('a service knows every kind of aggregates that it is said to tell', async (t) => {
  for (const { service, aggregateType } of TELLERS) {
    const file = `services/${service}/state.ts`;
    const exported = Object.values((await import(`../${file}`)) as Record<string, (store: unknown) => ServedState>);
    t.is(exported.length, 1, file);
    for (const serve of exported) {
      // Without a store it gets no further than to look for one.
      const { tellState } = serve(undefined).handlers;
      const request = { aggregateType, afterId: '', limit: 1, ids: [] };
      const error = await t.throwsAsync<Error & { code?: string }>(Array.fromAsync(tellState(request, {} as CallInfo)));
      t.not(error?.code, 'INVALID_ARGUMENT', `${file} does not tell ${aggregateType}`);
    }
  }
});

test('README.md names every service among the programs, and its address', (t) => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  for (const name of NAMES) {
    t.true(readme.includes(`\`${name}\``), name);
    t.true(readme.includes(`MUSUBI_${name.toUpperCase()}_ADDRESS`), name);
  }
});

/** Steps of which their service keeps no record, so that they have no undo. */
const WITHOUT_RECORD = ['websocket.closeSockets', 'websocket.narrowSockets', 'term.setTerms'];

/** Whether a step can be undone, as a file of its service's `steps/` declares it. */
async function isUndoable({ service, name }: AnyStep): Promise<boolean> {
  const full = `${service}.${name}`;
  if (WITHOUT_RECORD.includes(full)) return false;
  const folder = join(root, 'services', service, 'steps');
  const files = readdirSync(folder).filter((file) => /^[\w-]+\.ts$/.test(file));
  type Declared = { undo?: unknown } | ((parts: object) => { undo?: unknown });
  const modules = await Promise.all(files.map((file) => import(join(folder, file)) as Promise<Record<string, Declared>>));
  const found = modules.flatMap((exported) => exported[name] ?? []);
  // A step that needs more of its service than its store is made with that.
  const undo = found.map((one) => (typeof one === 'function' ? one({}) : one).undo).find((one) => one !== undefined);
  if (!undo) throw new Error(`${full}: no file of services/${service}/steps/ declares it with its undo`);
  return undo !== 'impossible';
}

/** The steps of any version that are done before there is no way back, those of the sagas that it runs among them. */
const early = ({ versions }: SagaDeclaration): AnyStep[] =>
  versions.flatMap(({ parts, finish }) => {
    const late = new Set(finish.map((one) => one.finish));
    return parts.filter((part) => !late.has(part)).flatMap((part) => (isStep(part) ? [part] : allSteps(part)));
  });

async function notUndoable(steps: readonly AnyStep[]): Promise<string[]> {
  const found = await Promise.all(steps.map(async (step) => ((await isUndoable(step)) ? [] : [nameOf(step)])));
  return [...new Set(found.flat())];
}

test('what has no undo is done after the pivot only', async (t) => {
  const irreversible = new Set<string>();
  for (const saga of Object.values(sagas)) {
    t.deepEqual(await notUndoable(early(saga)), [], `${saga.command} does this before its pivot, and could not undo it`);
    for (const name of await notUndoable(allSteps(saga))) irreversible.add(name);
  }
  t.true(irreversible.size >= 5, [...irreversible].join());
});

test('a saga is found out that does before its pivot what has no undo, also in one that it runs', async (t) => {
  const { auth, member } = services;
  const inner = saga('member.inner', [[member.createMember, auth.removeLogin]], async () => ({}));
  const outer = declare('member.outer', [
    [inner, auth.endSessions, pivot(auth.grantRoles), finish(auth.removeLogin, (memberId) => ({ memberId }))],
  ]);
  t.deepEqual(await notUndoable(early(outer)), ['auth.removeLogin', 'auth.endSessions']);
  const unknown = { service: 'auth', name: 'noSuchStep' };
  await t.throwsAsync(notUndoable([unknown]), { message: /auth\.noSuchStep/ });
});
