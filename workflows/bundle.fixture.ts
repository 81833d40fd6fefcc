import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';

/** Bundles workflows of a test, or those of the system (index.ts) with something of a test around them. */
export async function bundleForTest({
  workflows = 'index.ts',
  interceptors = [],
}: {
  workflows?: string;
  interceptors?: string[];
}): Promise<{ code: string }> {
  const quiet = () => undefined;
  return await bundleWorkflowCode({
    workflowsPath: join(import.meta.dirname, workflows),
    workflowInterceptorModules: interceptors.map((file) => join(import.meta.dirname, file)),
    logger: { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: console.warn, error: console.error },
  });
}
