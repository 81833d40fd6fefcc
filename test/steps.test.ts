import test from 'ava';
import { stepNames } from '#platform/grpc/contract.ts';
import { CONTRACTS } from '../activities/index.ts';
import * as workflows from '../workflows/sagas.ts';
import { fullName } from '../workflows/step.ts';

test('every step of the contracts is done by a saga', (t) => {
  const steps = Object.entries(CONTRACTS).flatMap(([service, contract]) =>
    stepNames(contract).map((name) => `${service}.${name}`),
  );
  const done = new Set(Object.values(workflows).flatMap((saga) => saga.steps.map(fullName)));
  t.deepEqual(
    steps.filter((step) => !done.has(step)),
    [],
  );
  t.true(steps.length > 10);
});
