import slotOf from 'cluster-key-slot';

/** Into how many parts a service divides its keys. They stay where they are, so the number never changes. */
export const PARTITIONS = 16;

/** A part of a service's keys. All of them are on one node, so a script may use several. */
export interface Partition {
  readonly number: number;
  /** `{chat:07}:room:ID`. What is in braces decides on the node (Redis Cluster specification, "Hash tags"). */
  key(name: string): string;
}

/** @param prefix goes before every key, so that several can live in one Redis (tests) */
export function partitionsOf(service: string, prefix = ''): readonly Partition[] {
  return Array.from({ length: PARTITIONS }, (_, number) => {
    const tag = `${prefix}{${service}:${String(number).padStart(2, '0')}}:`;
    return { number, key: (name) => tag + name };
  });
}

/** The number of the partition in which everything is that belongs to this ID. */
export const partitionNumberOf = (id: string): number => slotOf(id) % PARTITIONS;
