import test from 'ava';
import slotOf from 'cluster-key-slot';
import { newId } from '../validation/id.ts';
import { PARTITIONS, partitionNumberOf, partitionsOf } from './partitions.ts';

test('all keys of a partition are in one slot, whatever goes before them', (t) => {
  for (const partition of partitionsOf('chat', 'test_1:')) {
    const slots = ['room:1', 'outbox', 'room:{2}'].map((name) => slotOf(partition.key(name)));
    t.is(new Set(slots).size, 1);
  }
  t.is(partitionsOf('chat')[7]?.key('room:ID'), '{chat:07}:room:ID');
});

test('the partitions of a service are in slots of their own, spread over three nodes', (t) => {
  for (const service of ['chat', 'channel', 'ws']) {
    const slots = partitionsOf(service).map((partition) => slotOf(partition.key('')));
    t.is(new Set(slots).size, PARTITIONS, service);
    const nodes = Map.groupBy(slots, (slot) => Math.floor((slot * 3) / 16_384));
    t.true([...nodes.values()].every((those) => those.length >= 3) && nodes.size === 3, `${service}: ${slots.join(' ')}`);
  }
});

test('IDs are spread evenly, and where one belongs does not change', (t) => {
  const count = Array.from({ length: PARTITIONS }, () => 0);
  for (let each = 0; each < 16_000; each++) {
    const number = partitionNumberOf(newId());
    count[number] = (count[number] ?? 0) + 1;
  }
  t.true(
    count.every((one) => one > 800 && one < 1_200),
    count.join(' '),
  );
  // Stored data depends on it.
  t.deepEqual(['019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40', 'a', 'member:me'].map(partitionNumberOf), [10, 7, 15]);
});
