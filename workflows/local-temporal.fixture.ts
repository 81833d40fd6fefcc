import { TestWorkflowEnvironment } from '@temporalio/testing';
import { wheelBinary } from '../local/packages/wheels.ts';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';

/** A Temporal of a test file's own, in real time, that knows our search attributes. Its user tears it down. */
export async function localTemporal(): Promise<TestWorkflowEnvironment> {
  return await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await wheelBinary('temporal') },
      searchAttributes: Object.values(SEARCH_ATTRIBUTES),
      log: { format: 'pretty', level: 'never' },
    },
  });
}
