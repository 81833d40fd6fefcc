import { ROOT } from '#platform/validation/group-fields.ts';
import type { Grant } from '#proto/musubi/position/v1/position.ts';
import { positionOf } from '../groups/store.ts';
import type { Store } from '../store.ts';

/** Puts the whole organisation's group in place, where there is none; one that is there keeps its positions. */
export async function putRootGroup({ groups }: Pick<Store, 'groups'>, positions: readonly Grant[]): Promise<void> {
  const made = { path: [ROOT], findable: true, positions: positions.map(positionOf), version: 1 };
  await groups.updateOne({ _id: ROOT }, { $setOnInsert: made }, { upsert: true });
}
