import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { createActivities, type Peers } from '../activities/index.ts';

// Sagas, steps and undos belong together: what a saga may have to take back has an undo, and nothing else has one.

const ROOT = join(import.meta.dirname, '..');
const textsIn = (folder: string, wanted: RegExp): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => wanted.test(file))
    .map((file) => readFileSync(join(ROOT, folder, file), 'utf8'));

const camelCase = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

/** The steps that sagas do in these ways: `member.createMember`. */
const stepsOfSagas = (ways: RegExp): string[] =>
  sorted(
    textsIn('workflows', /^[^.]+\.ts$/)
      .flatMap((text) => [...text.matchAll(/\b(step|pivot|finish)\((\w+\.\w+),/g)])
      .filter(([, way = '']) => ways.test(way))
      .map(([, , step = '']) => step),
  );

/** The services that have steps to undo, with all their activities. */
const services = Object.entries(createActivities({} as Peers)).filter(([, activities]) => 'undo' in activities);

test('every step is in a saga, and every step of a saga is there', (t) => {
  const steps = services.flatMap(([service, activities]) => Object.keys(activities).map((name) => `${service}.${name}`));
  t.deepEqual(sorted(steps.filter((step) => !step.endsWith('.undo'))), stepsOfSagas(/./));
});

test('the steps that a saga can take back, up to its pivot, are those that have an undo', (t) => {
  const registered = services.flatMap(([service]) =>
    textsIn(`services/${service}`, /^(grpc|commands\/undo)\.ts$/)
      .flatMap((text) => [...text.matchAll(/'(?:\w+\.)?([\w-]+)': undo\w+/g)])
      .map(([, command = '']) => `${service}.${camelCase(command)}`),
  );
  t.deepEqual(sorted(registered), stepsOfSagas(/step|pivot/));

  const written = services.flatMap(([service]) =>
    textsIn(`services/${service}/commands`, /^[\w-]+\.ts$/)
      .flatMap((text) => [...text.matchAll(/export const undo([A-Z])(\w+)/g)])
      .map(([, first = '', rest = '']) => `${service}.${first.toLowerCase()}${rest}`),
  );
  t.deepEqual(sorted(written), sorted(registered), 'an undo that no table names is never run');
});
