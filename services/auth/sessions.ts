import { Loader } from '#platform/concurrency/loader.ts';
import type { MemberStatus } from './domain.ts';
import { findAmongGroups } from './groups/find-among-groups.ts';
import type { RoleVersion } from './policy-sets.ts';
import { type About, NOTHING_ASKED } from './question.ts';
import {
  type Asked,
  holds,
  inAny,
  membersAsked,
  orNone,
  type SessionFacts,
  type SessionOf,
  sessionsAsked,
  TENURES,
  type Wanted,
} from './session-facts.ts';
import type { Store } from './store.ts';

interface Found {
  members: {
    memberId: string;
    status: MemberStatus;
    roleIds: string[];
    /** Of the positions that it holds, those that policies mention. */
    positionIds: string[];
    sessionIds: string[];
    tenures: number;
  }[];
  roles: RoleVersion[];
}

/** What is asked about by one, of the hundred that are looked up at once. */
const weightOf = ({ about: { members, groups } }: Asked): number => Math.max(1, members.length + groups.length);

/** What sessions permit now, by the store. Those who ask at the same time are answered by one look-up. */
export class Sessions {
  readonly #loaders: Readonly<Record<Wanted, Readonly<Record<'plain' | 'amongGroups' | 'everywhere', Load>>>>;

  constructor(store: Pick<Store, 'members' | 'clock'>) {
    const loaders = (wanted: Wanted) => {
      const loader = (read: typeof find, most?: number): Load =>
        new Loader((asked) => read(store, asked, wanted), most, undefined, weightOf);
      // A look-up of its own: what is not about groups pays nothing for it.
      return { plain: loader(find), amongGroups: loader(findAmongGroups), everywhere: loader(findForEach, 10) };
    };
    this.#loaders = { active: loaders('active'), suspended: loaders('suspended'), any: loaders('any') };
  }

  /**
   * What holds of the session now; undefined unless its member is active and the session is still there.
   *
   * @param options `closed`: unless its login is closed, and the session still there. `about`: what is asked for besides
   */
  facts(
    { memberId, sessionId }: SessionOf,
    { closed = false, about = NOTHING_ASKED }: { closed?: boolean; about?: About } = {},
  ): Promise<SessionFacts | undefined> {
    return this.#load(closed ? 'suspended' : 'active', { memberId, sessionId, about });
  }

  /** What would hold of a member's session, if it had one; undefined: there is no such member. */
  factsOfMember(memberId: string, about: About): Promise<SessionFacts | undefined> {
    return this.#load('any', { memberId, sessionId: '', about });
  }

  #load(wanted: Wanted, asked: Asked): Promise<SessionFacts | undefined> {
    const { groups, everywhere } = asked.about;
    return this.#loaders[wanted][everywhere ? 'everywhere' : groups.length > 0 ? 'amongGroups' : 'plain'].load(asked);
  }
}

type Load = Loader<Asked, SessionFacts | undefined>;

/** All that a member is in is much, and of no use to others: each has a look-up of its own, which all that it asks at the same time share. */
async function findForEach(
  store: Pick<Store, 'members' | 'clock'>,
  asked: readonly Asked[],
  wanted: Wanted,
): Promise<(SessionFacts | undefined)[]> {
  const byMember = [...Map.groupBy(asked, ({ memberId }) => memberId).values()];
  const found = await Promise.all(
    byMember.map(async (own) => {
      const facts = await findAmongGroups(store, own, wanted);
      return own.map((one, at) => [one, facts[at]] as const);
    }),
  );
  const answers = new Map(found.flat());
  return asked.map((one) => answers.get(one));
}

/** Of a member's positions those that policies of any of these roles mention. */
const MENTIONED = { $setIntersection: ['$$this.positionIds', inAny('$roles.mentioned')] };

async function find(
  { members, clock }: Pick<Store, 'members' | 'clock'>,
  asked: readonly Asked[],
  wanted: Wanted,
): Promise<(SessionFacts | undefined)[]> {
  const [found] = await members
    .aggregate<Found>([
      { $match: { _id: { $in: membersAsked(asked) } } },
      {
        $group: {
          _id: null,
          members: {
            $push: {
              memberId: '$_id',
              status: '$status',
              roleIds: '$roleIds',
              positionIds: orNone('$positionIds'),
              sessionIds: sessionsAsked(asked, new Date(clock.now())),
              tenures: TENURES,
            },
          },
        },
      },
      {
        $lookup: {
          from: 'roles',
          localField: 'members.roleIds',
          foreignField: '_id',
          pipeline: [{ $project: { version: 1, mentioned: 1 } }],
          as: 'roles',
        },
      },
      {
        $project: {
          members: { $map: { input: '$members', in: { $mergeObjects: ['$$this', { positionIds: MENTIONED }] } } },
          'roles._id': 1,
          'roles.version': 1,
        },
      },
    ])
    .toArray();
  const byId = new Map(found?.members.map((member) => [member.memberId, member]));
  const roles = new Map(found?.roles.map((role) => [role._id, role]));
  return asked.map(({ memberId, sessionId, about }) => {
    const member = byId.get(memberId);
    if (!member || !holds(member, sessionId, wanted)) return undefined;
    return {
      roles: member.roleIds.flatMap((roleId) => roles.get(roleId) ?? []),
      rolesOf: new Map(about.members.map((id) => [id, byId.get(id)?.roleIds ?? []])),
      places: new Map(),
      positionIds: member.positionIds,
      everywhere: undefined,
      tenures: member.tenures,
    };
  });
}
