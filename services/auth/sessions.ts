import { Loader } from '#platform/concurrency/loader.ts';
import type { RoleVersion } from './policies.ts';
import type { Store } from './store.ts';

/** Names a session of a member, as its tokens do. */
export interface SessionOf {
  memberId: string;
  sessionId: string;
}

interface Found {
  members: { memberId: string; roleIds: string[]; sessionIds: string[] }[];
  roles: RoleVersion[];
}

/** What sessions permit now, by the store. Those who ask at the same time are answered by one look-up. */
export class Sessions {
  readonly #loader: Loader<SessionOf, RoleVersion[] | undefined>;

  constructor(store: Pick<Store, 'members' | 'clock'>) {
    this.#loader = new Loader((asked) => find(store, asked));
  }

  /** The roles of the session's member; undefined unless the member is active and the session is still there. */
  rolesOf({ memberId, sessionId }: SessionOf): Promise<RoleVersion[] | undefined> {
    return this.#loader.load({ memberId, sessionId });
  }
}

async function find(
  { members, clock }: Pick<Store, 'members' | 'clock'>,
  asked: readonly SessionOf[],
): Promise<(RoleVersion[] | undefined)[]> {
  const now = new Date(clock.now());
  const sessionIds = asked.map(({ sessionId }) => sessionId);
  const isAsked = { $and: [{ $in: ['$$this.id', sessionIds] }, { $gt: ['$$this.expiresAt', now] }] };
  const [found] = await members
    .aggregate<Found>([
      { $match: { _id: { $in: asked.map(({ memberId }) => memberId) }, status: 'active' } },
      {
        $group: {
          _id: null,
          members: {
            $push: {
              memberId: '$_id',
              roleIds: '$roleIds',
              sessionIds: { $map: { input: { $filter: { input: '$sessions', cond: isAsked } }, in: '$$this.id' } },
            },
          },
        },
      },
      {
        $lookup: {
          from: 'roles',
          localField: 'members.roleIds',
          foreignField: '_id',
          pipeline: [{ $project: { version: 1 } }],
          as: 'roles',
        },
      },
    ])
    .toArray();
  const byId = new Map(found?.members.map((member) => [member.memberId, member]));
  const roles = new Map(found?.roles.map((role) => [role._id, role]));
  return asked.map(({ memberId, sessionId }) => {
    const member = byId.get(memberId);
    if (!member?.sessionIds.includes(sessionId)) return undefined;
    return member.roleIds.flatMap((roleId) => roles.get(roleId) ?? []);
  });
}
