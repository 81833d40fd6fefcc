import type { z } from 'zod';
import { ERASED_AT_ONCE } from '#platform/erasure.ts';
import { callerShape } from '#platform/grpc/callers.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { peer } from '#platform/process/config.ts';
import type { App } from '#platform/process/program.ts';
import { calledBy } from '../may-call.ts';

/** The settings of the task `erasures`. */
export const shape = { MUSUBI_AUTH_ADDRESS: peer(), ...callerShape('operator') };

/** Standard output is for what was erased, a line of JSON for each deleted member. */
export const prints = true;

/** The operator's task: tells of every deleted member when it was erased, where, and what still waits. Nothing in it is personal. */
export async function start({ config, lifecycle }: App<z.output<z.ZodObject<typeof shape>>>): Promise<'done'> {
  const auth = connectPeer(config.MUSUBI_AUTH_ADDRESS, calledBy('operator').auth, lifecycle, () =>
    config.MUSUBI_OPERATOR_CALLER_KEY.token('auth'),
  );
  let pageToken = '';
  do {
    const { erasures, nextPageToken } = await auth.listErasures({ pageSize: ERASED_AT_ONCE, pageToken });
    for (const { erased, ...record } of erasures) {
      const places = Object.fromEntries(erased.map(({ place, count }) => [place, count]));
      process.stdout.write(`${JSON.stringify({ ...record, erased: places })}\n`);
    }
    pageToken = nextPageToken;
  } while (pageToken !== '');
  return 'done';
}
