import type { Rate } from '#platform/process/config.ts';
import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import { requireIds } from '../domain.ts';
import { tooManyMessages } from '../refusals.ts';
import { SPEND } from './scripts.ts';

/**
 * Counts what a member types, in all rooms. It is not durable: who loses it lets members type a little more.
 *
 * @throws INVALID_ARGUMENT, TOO_MANY_MESSAGES
 */
export async function spend(redis: PartitionedRedis, memberId: string, { burst, everySeconds }: Rate): Promise<void> {
  requireIds({ memberId });
  const key = redis.of(memberId).key(`rate:${memberId}`);
  const waitMs = Number(await redis.ask((client) => client.eval(SPEND.lua, 1, key, burst, everySeconds * 1_000)));
  if (waitMs > 0) throw tooManyMessages(Math.ceil(waitMs / 1_000));
}
