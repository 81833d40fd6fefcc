import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { CallInfo, Handlers } from '#platform/grpc/server.ts';
import type { Program } from '#platform/process/program.ts';
import type { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { SERVICES, TELLERS } from '../services/catalogue.ts';
import { isStep, nameOf } from '../workflows/declaration.ts';
import * as sagas from '../workflows/sagas.ts';

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

/** A step as its service declares it: services/member/steps/close-member.ts exports closeMember. */
async function undoOf(service: string, name: string): Promise<unknown> {
  const file = `../services/${service}/steps/${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.ts`;
  const exported = existsSync(join(import.meta.dirname, file))
    ? ((await import(file)) as Record<string, { undo?: unknown }>)
    : {};
  return exported[name]?.undo;
}

test('what has no undo is done after the pivot only', async (t) => {
  let irreversible = 0;
  for (const { command, versions } of Object.values(sagas)) {
    const { parts, finish } = versions.at(-1) ?? { parts: [], finish: [] };
    const late = new Set(finish.map((one) => one.finish));
    for (const part of parts) {
      if (!isStep(part)) continue;
      const [service = '', step = ''] = nameOf(part).split('.');
      if ((await undoOf(service, step)) !== 'impossible') continue;
      irreversible++;
      t.true(late.has(part), `${command} does ${service}.${step} before its pivot, and could not undo it`);
    }
  }
  t.true(irreversible >= 5);
});
