import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member } = services;

export interface SetSchemaInput {
  /** `member`: the one that members are held to. */
  schemaId: string;
  /** A JSON Schema (2020-12) of an object. */
  schema: Record<string, unknown>;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Sets what members' attributes must be. Members that do not fit stay as they are until they are changed. */
export const setSchema = saga(
  'member.set-schema',
  [[member.beginSetSchema, pivot(auth.confirmPermit), finish(member.commitSchema, (schemaId) => ({ schemaId }))]],
  async ({ step }, { schemaId, schema, expectedVersion }: SetSchemaInput) => {
    await step(member.beginSetSchema, { schemaId, schema, expectedVersion });
    await step(auth.confirmPermit, {});
    await step(member.commitSchema, { schemaId });
    return { id: schemaId };
  },
);
