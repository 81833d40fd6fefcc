import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type {
  BeginSetSchemaRequest,
  BeginSetSchemaResponse,
  CommitSchemaRequest,
  CommitSchemaResponse,
} from '#proto/musubi/member/v1/member.ts';
import { schemaEvent, writtenSchema } from '../events.ts';
import { tidySchema } from '../member-schema.ts';
import { lockNotHeld, schemaBusy, schemaChanged } from '../refusals.ts';
import { lockSchema, type Schema, saveSchema } from '../schema-store.ts';

const freed = (schema: Schema): Schema => ({ ...schema, pendingSchema: null, lockHolder: null });

/**
 * Locks the schema for this job and keeps the new one aside. Members are changed by the old one meanwhile.
 * @throws INVALID_MEMBER_SCHEMA, VERSION_MISMATCH; MEMBER_SCHEMA_BUSY (retryable) while another job holds it
 */
export const beginSetSchema: Step<BeginSetSchemaRequest, BeginSetSchemaResponse, { schemaId: string; jobId: string }> = {
  async do(tx, { operationId, schemaId, schema: given, expectedVersion }) {
    const pendingSchema = tidySchema(given);
    const jobId = jobOf(operationId);
    const schema = await lockSchema(tx, schemaId);
    if (schema.lockHolder !== null) throw schemaBusy();
    if (expectedVersion !== undefined && expectedVersion !== schema.version) throw schemaChanged();
    await saveSchema(tx, { ...schema, pendingSchema, lockHolder: jobId });
    return { result: {}, kept: { schemaId, jobId } };
  },
  async undo(tx, { schemaId, jobId }) {
    const schema = await lockSchema(tx, schemaId);
    if (schema.lockHolder === jobId) await saveSchema(tx, freed(schema));
  },
};

/**
 * Puts the schema in place that was kept aside. Members that do not fit it stay as they are until they are changed.
 * @throws LOCK_NOT_HELD
 */
export const commitSchema: Step<CommitSchemaRequest, CommitSchemaResponse> = {
  async do(tx, { operationId, schemaId }) {
    const held = await lockSchema(tx, schemaId);
    if (held.lockHolder !== jobOf(operationId) || held.pendingSchema === null) throw lockNotHeld();
    const schema = { ...freed(held), schema: held.pendingSchema, version: held.version + 1, updatedAt: new Date() };
    await saveSchema(tx, schema);
    return { result: { written: writtenSchema(schema) }, events: [schemaEvent(schema)] };
  },
  undo: 'impossible',
};
