import type { EntityUidJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Where our schema's types are. */
export const NAMESPACE = 'Musubi';

/** How Cedar names a thing. */
export const uid = (type: string, id: string): EntityUidJson & { type: string; id: string } => ({
  type: `${NAMESPACE}::${type}`,
  id,
});
