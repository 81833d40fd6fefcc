import { undoOperation } from '#platform/operations/mongo.ts';
import type { Store } from '../store.ts';
import { undoBindLogin } from './bind-login.ts';
import { undoGrantRoles } from './grant-roles.ts';
import { undoRebindLogin } from './rebind-login.ts';
import { undoSuspendLogin } from './suspend-login.ts';

/** Undoes one operation, whatever it was and whether or not it happened; it can't happen any more. */
export function undo(store: Store, operationId: string): Promise<void> {
  return undoOperation(store.mongo, operationId, {
    'auth.bind-login': undoBindLogin(store),
    'auth.grant-roles': undoGrantRoles(store),
    'auth.rebind-login': undoRebindLogin(store),
    'auth.suspend-login': undoSuspendLogin(store),
  });
}
