import test from 'ava';
import { SERVICES } from '../../catalogue.ts';
import { PROJECTIONS } from './registry.ts';

test('queries copy what the catalogue says, by which sagas know what they may wait for', (t) => {
  const copied = PROJECTIONS.map(({ aggregateType }) => aggregateType);
  t.deepEqual<string[], string[]>(copied.toSorted(), [...SERVICES.query.copies].toSorted());
});
