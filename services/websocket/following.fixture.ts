import { randomUUID } from 'node:crypto';
import { TestClient } from './client.fixture.ts';
import { topicOf } from './group-events.fixture.ts';
import { type InstanceOptions, openTestSockets } from './socket.fixture.ts';

/** Two instances of one test file, and members who follow groups on them. */
export async function openFollowing(options?: InstanceOptions) {
  const sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  const one = await sockets.instance(options);
  const two = await sockets.instance(options);
  const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));
  return {
    sockets,
    one,
    two,
    connect,
    /** A group, and a socket of a member who may see all of it and follows it. */
    following: async (at = one, groupId: string = randomUUID(), me: string = randomUUID()) => {
      sockets.allow(me, groupId);
      const client = await connect(me, at);
      await client.subscribe([topicOf(groupId)]);
      return { groupId, me, client };
    },
  };
}
