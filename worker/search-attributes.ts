import type { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';

/** `temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD` */
const KEYWORD = 2;

/** Makes sure that the namespace knows our search attributes. Does nothing if it does, however many processes do it at once. */
export async function registerSearchAttributes(connection: NativeConnection, namespace: string): Promise<void> {
  const names = Object.values(SEARCH_ATTRIBUTES).map(({ name }) => name);
  const missing = async (): Promise<string[]> => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return names.filter((name) => !Object.hasOwn(customAttributes ?? {}, name));
  };
  const wanted = await missing();
  if (wanted.length === 0) return;
  try {
    const searchAttributes = Object.fromEntries(wanted.map((name) => [name, KEYWORD]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    // Another process may have been faster.
    if ((await missing()).length > 0) throw error;
  }
}
