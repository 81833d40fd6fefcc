import type { Handlers } from '#platform/grpc/server.ts';
import { serveSteps } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { PositionServiceService } from '#proto/musubi/position/v1/position.ts';
import { ensureRootPositions } from './rpcs/ensure-root-positions.ts';
import { listDueTerms } from './rpcs/list-due-terms.ts';
import { restorePositions } from './rpcs/restore-positions.ts';
import { addDefaultPositions } from './steps/add-default-positions.ts';
import { beginChangeBindings } from './steps/begin-change-bindings.ts';
import { beginCreatePosition } from './steps/begin-create-position.ts';
import { beginDeletePosition } from './steps/begin-delete-position.ts';
import { beginEndTerm } from './steps/begin-end-term.ts';
import { beginUpdatePosition } from './steps/begin-update-position.ts';
import { claimBindings } from './steps/claim-bindings.ts';
import { closeMember } from './steps/close-member.ts';
import { commitBindings } from './steps/commit-bindings.ts';
import { commitPosition } from './steps/commit-position.ts';
import { listEnding } from './steps/list-ending.ts';
import { listHolders } from './steps/list-holders.ts';
import { releaseMember } from './steps/release-member.ts';
import { removeAllPositions } from './steps/remove-all-positions.ts';

const STEPS = {
  addDefaultPositions,
  removeAllPositions,
  beginCreatePosition,
  beginUpdatePosition,
  beginDeletePosition,
  listEnding,
  listHolders,
  commitPosition,
  beginChangeBindings,
  claimBindings,
  beginEndTerm,
  commitBindings,
  closeMember,
  releaseMember,
};

/** musubi.position.v1.PositionService over the service's database. */
export function positionHandlers(db: Database): Handlers<PositionServiceService> {
  return {
    ...serveSteps<PositionServiceService>(db, STEPS),
    ensureRootPositions: () => ensureRootPositions(db),
    restorePositions: (request) => restorePositions(db, request),
    listDueTerms: (request) => listDueTerms(db, request),
  };
}
