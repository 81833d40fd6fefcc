import type { BeginUpdatePositionRequest, BeginUpdatePositionResponse } from '#proto/musubi/position/v1/position.ts';
import { tidyPosition } from '../domain.ts';
import { fromMessages, grantOf } from '../events.ts';
import { takeName } from '../store.ts';
import { lockPosition } from './lock.ts';

/** Begins to give a position another name, or other permissions. @throws INVALID_POSITION, NAME_TAKEN, and as {@link lockPosition} */
export const beginUpdatePosition = lockPosition<BeginUpdatePositionRequest, BeginUpdatePositionResponse>(
  async (tx, position, given) => {
    const tidy = tidyPosition({ name: given.name, permissions: fromMessages(given.permissions?.permissions) });
    const { name = position.name, permissions = position.permissions } = tidy;
    await takeName(tx, position, name);
    return { pending: { change: 'update', name, permissions }, result: { position: grantOf({ ...position, permissions }) } };
  },
);
