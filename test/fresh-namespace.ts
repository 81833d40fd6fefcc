import { randomUUID } from 'node:crypto';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from '#platform/process/log.ts';
import { installRuntime } from '../worker/runtime.ts';
import { fromEnvironment } from './scratch-database.ts';

/** A namespace of Temporal that no other test uses. @returns its name */
export async function freshNamespace(log: Logger, stem: string): Promise<string> {
  const namespace = `${stem}-${randomUUID()}`;
  // Core went with the test before, and its port may be somebody else's by now.
  await installRuntime(log);
  const connection = await NativeConnection.connect({ address: fromEnvironment('MUSUBI_TEMPORAL_ADDRESS') });
  const day = { seconds: 86_400 as never };
  await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: day });
  await connection.close();
  return namespace;
}
