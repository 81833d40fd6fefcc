// A term, and a command that ends what it is about: it does as its test says.

import { ApplicationFailure, proxyLocalActivities } from '@temporalio/workflow';

export { term } from './term.ts';

/** How a command ends. */
export type How = 'done' | 'refused' | 'in vain';

const { end } = proxyLocalActivities<{ end(input: object): Promise<How> }>({ startToCloseTimeout: 5_000 });

async function ending(input: object): Promise<object> {
  const how = await end(input);
  if (how === 'in vain') throw ApplicationFailure.nonRetryable('away for too long', 'SERVICE_UNAVAILABLE');
  return how === 'refused' ? { refused: { step: 'begin', code: 'GROUP_NOT_FOUND', message: 'There is no such group.' } } : {};
}

export { ending as 'group.ending' };
