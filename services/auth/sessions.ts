import { Loader } from '#platform/concurrency/loader.ts';
import type { MemberStatus } from './domain.ts';
import type { RoleVersion } from './policy-sets.ts';
import type { Store } from './store.ts';

/** Names a session of a member, as its tokens do. */
export interface SessionOf {
  memberId: string;
  sessionId: string;
}

/** What is asked for of a session, and of members that it is about to do something to. */
interface Asked extends SessionOf {
  about: readonly string[];
}

/** What the store says of a session. */
export interface Standing {
  /** The roles of its member. */
  roles: RoleVersion[];
  /** The IDs of the roles that those members hold which were asked about: whatever state they are in, if they are there. */
  rolesOf: ReadonlyMap<string, readonly string[]>;
}

interface Found {
  members: { memberId: string; status: MemberStatus; roleIds: string[]; sessionIds: string[] }[];
  roles: RoleVersion[];
}

/** What sessions permit now, by the store. Those who ask at the same time are answered by one look-up. */
export class Sessions {
  readonly #active: Loader<Asked, Standing | undefined>;
  readonly #closed: Loader<Asked, Standing | undefined>;

  constructor(store: Pick<Store, 'members' | 'clock'>) {
    this.#active = new Loader((asked) => find(store, asked, 'active'));
    this.#closed = new Loader((asked) => find(store, asked, 'suspended'));
  }

  /**
   * What holds of the session now; undefined unless its member is active and the session is still there.
   *
   * @param options `closed`: unless its login is closed, and the session still there. `about`: members whose roles are asked for, too
   */
  standing(
    { memberId, sessionId }: SessionOf,
    { closed = false, about = [] }: { closed?: boolean; about?: readonly string[] } = {},
  ): Promise<Standing | undefined> {
    return (closed ? this.#closed : this.#active).load({ memberId, sessionId, about });
  }
}

async function find(
  { members, clock }: Pick<Store, 'members' | 'clock'>,
  asked: readonly Asked[],
  wanted: MemberStatus,
): Promise<(Standing | undefined)[]> {
  const now = new Date(clock.now());
  const sessionIds = asked.map(({ sessionId }) => sessionId);
  const isAsked = { $and: [{ $in: ['$$this.id', sessionIds] }, { $gt: ['$$this.expiresAt', now] }] };
  const [found] = await members
    .aggregate<Found>([
      { $match: { _id: { $in: [...new Set(asked.flatMap(({ memberId, about }) => [memberId, ...about]))] } } },
      {
        $group: {
          _id: null,
          members: {
            $push: {
              memberId: '$_id',
              status: '$status',
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
  return asked.map(({ memberId, sessionId, about }) => {
    const member = byId.get(memberId);
    if (member?.status !== wanted || !member.sessionIds.includes(sessionId)) return undefined;
    return {
      roles: member.roleIds.flatMap((roleId) => roles.get(roleId) ?? []),
      rolesOf: new Map(about.map((id) => [id, byId.get(id)?.roleIds ?? []])),
    };
  });
}
