import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import type { World } from '../../gateway.fixture.ts';
import { groupView, positionView } from '../../group-stand-ins.fixture.ts';

// A small organisation, and how tests read it.

/** Root above one above two, with a position of one. */
export function organisation({ groups, positions }: World) {
  const [one, two, position] = [newId(), newId(), newId()];
  groups.set('root', groupView('root', { parentId: undefined, name: 'All', subgroupCount: 1 }));
  groups.set(one, groupView(one, { name: '開発部', tags: ['sales'], visibility: 'VISIBILITY_INVITATION', version: 7 }));
  groups.set(two, groupView(two, { parentId: one, archivedAt: new Date('2026-03-04T05:06:07.089Z') }));
  positions.set(
    position,
    positionView(position, one, {
      name: 'lead',
      kind: 'POSITION_KIND_LEADER',
      permissions: [{ action: 'a', reach: 'REACH_SUBTREE' }],
    }),
  );
  return { one, two, position };
}

export const getting = (world: World) => (path: string) => send(world, 'GET', path, { token: world.admin });
export const ids = (answer: { body: { items: { id: string }[] } }) => answer.body.items.map(({ id }) => id);
