import type { z } from 'zod';
import { callerShape } from '#platform/grpc/callers.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { list, peer } from '#platform/process/config.ts';
import type { App } from '#platform/process/program.ts';
import { calledBy } from '../may-call.ts';

/** The settings of the task `give-up`. */
export const shape = {
  MUSUBI_GROUP_ADDRESS: peer(),
  ...callerShape('operator'),
  /** The IDs of the groups that are given up. */
  MUSUBI_GIVE_UP_GROUPS: list(),
};

/** The operator's task: Group says that groups which it does not know are deleted. The reconciler then removes what others have of them. */
export async function start({ config, log, lifecycle }: App<z.output<z.ZodObject<typeof shape>>>): Promise<'done'> {
  const group = connectPeer(config.MUSUBI_GROUP_ADDRESS, calledBy('operator').group, lifecycle, () =>
    config.MUSUBI_OPERATOR_CALLER_KEY.token('group'),
  );
  const groupIds = [...config.MUSUBI_GIVE_UP_GROUPS];
  await group.giveUpGroups({ groupIds });
  log.info({ groupIds }, 'these groups are given up');
  return 'done';
}
