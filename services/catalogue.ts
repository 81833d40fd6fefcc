import type { ServiceDefinition } from '@grpc/grpc-js';
import { aggregateOf, topicOf } from '#platform/outbox/event.ts';
import { outboxStream, outboxStreams } from '#platform/outbox/redis-outbox.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { ChatServiceService } from '#proto/musubi/chat/v1/chat.ts';
import { GroupServiceService } from '#proto/musubi/group/v1/group.ts';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { PositionServiceService } from '#proto/musubi/position/v1/position.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';

/**
 * Who calls services by gRPC, each with a key of its own. `sagas`: every process that hosts workers. `operator`: the tasks by which
 * somebody looks after the system (`retell`, `repair`, `erasures`, `audit`).
 */
export const CALLERS = ['sagas', 'gateway', 'websocket', 'bootstrap', 'operator', 'auth'] as const;
export type CallerName = (typeof CALLERS)[number];

/** All that others may have to know of a service. */
interface Facts {
  contract: ServiceDefinition;
  /**
   * Who may call which methods, besides the steps of sagas: those, and what is about them, `sagas` may call. What nobody
   * is said to call, nobody may.
   */
  calledBy?: Readonly<Partial<Record<CallerName, readonly string[]>>>;
  /** The store in which the service's outbox is, under the service's name (`OUTBOXES`), or in each of its partitions; none: it tells of nothing. */
  outbox?: 'postgres' | 'mongodb' | 'redis' | 'redis-partitions';
  /** The types of its events, each with the services that do something with it: an event that nobody reads is not written. */
  events?: Readonly<Record<`${string}.${string}`, readonly [string, ...string[]]>>;
  /** The aggregate types of which it tells the present state. */
  tells?: readonly string[];
  /**
   * The aggregate types whose events Kafka keeps for some days only, as nothing is made from them later: jobs, for one, end
   * and are forgotten, and Job itself is asked for them. Of all others it keeps the last event of each aggregate for ever.
   */
  keptDays?: Readonly<Record<string, number>>;
  /** The aggregate types of which it keeps copies, made from events. */
  copies?: readonly string[];
  /** It keeps what members tell of themselves, or what belongs to them, and erases that (`ErasureService`) once they are deleted. */
  erases?: true;
}

/**
 * What others must know of a service. One that has events tells the present state of their aggregates, so that readers can get what
 * they have lost; or says that nothing is made from them.
 */
export type Entry = Facts &
  (
    | { outbox?: never; events?: never }
    | { tells: readonly [string, ...string[]] }
    | { keptDays: Readonly<Record<string, number>> }
  );

/**
 * Every service with a contract. Peers and their addresses, activities, the relay's sources, probes, local ports and the
 * stores that tests compare follow from it, and who may call what (may-call.ts): outside of its folder a new service is declared
 * only here.
 */
export const SERVICES = {
  member: {
    contract: MemberServiceService,
    outbox: 'postgres',
    events: {
      'member.created': ['query'],
      'member.activated': ['query'],
      'member.updated': ['query'],
      'member.suspended': ['query'],
      'member.reinstated': ['query'],
      'member.deleted': ['query'],
      'member.erased': ['query'],
      'member-schema.updated': ['query'],
    },
    tells: ['member', 'member-schema'],
    erases: true,
  },
  role: {
    contract: RoleServiceService,
    calledBy: { bootstrap: ['ensureBuiltInRoles'] },
    outbox: 'postgres',
    events: {
      'member-roles.assigned': ['query'],
      'member-roles.unassigned': ['query'],
      'role.created': ['query'],
      'role.updated': ['query'],
      'role.deleted': ['query'],
      'policy.created': ['query'],
      'policy.updated': ['query'],
      'policy.deleted': ['query'],
    },
    tells: ['member-roles', 'role', 'policy'],
    erases: true,
  },
  group: {
    contract: GroupServiceService,
    calledBy: {
      bootstrap: ['ensureRoot'],
      sagas: ['listDueTerms'],
      gateway: ['listAdditions', 'getAdditionSums', 'stopAdditions'],
      operator: ['giveUpGroups'],
    },
    outbox: 'postgres',
    events: {
      'group.created': ['query', 'websocket'],
      'group.updated': ['query', 'websocket'],
      'group.moved': ['query', 'websocket'],
      'group.archived': ['query', 'websocket'],
      'group.restored': ['query', 'websocket'],
      'group.deleted': ['query', 'websocket'],
      'membership.changed': ['query', 'websocket'],
      'membership.requested': ['query', 'websocket'],
      'membership.invited': ['query', 'websocket'],
      'membership.settled': ['query', 'websocket'],
      'membership.ended': ['query', 'websocket'],
    },
    tells: ['group', 'membership'],
    erases: true,
  },
  position: {
    contract: PositionServiceService,
    calledBy: { bootstrap: ['ensureRootPositions'], sagas: ['listDueTerms', 'restorePositions'] },
    outbox: 'postgres',
    events: {
      'position.created': ['query', 'websocket'],
      'position.updated': ['query', 'websocket'],
      'position.deleted': ['query', 'websocket'],
      'bindings.changed': ['query', 'websocket'],
    },
    tells: ['position', 'bindings'],
    erases: true,
  },
  auth: {
    contract: AuthServiceService,
    calledBy: {
      sagas: [
        'listLogins',
        'listRoles',
        'listGroups',
        'listStandings',
        'correctLogin',
        'correctRole',
        'correctGroup',
        'correctStanding',
        'confirmErasures',
        'noteErasures',
      ],
      gateway: [
        'login',
        'refresh',
        'logout',
        'getJwks',
        'authenticate',
        'authorize',
        'check',
        'stagePassword',
        'listSessions',
        'endSession',
        'stagePasswordChange',
        'simulate',
        'explainGroup',
        'checkRename',
        'listHeldLogins',
        'listAuditEvents',
        'exportAuditEvents',
      ],
      websocket: ['authenticate', 'authorize', 'check', 'listGroupsBelow'],
      bootstrap: ['putRoles', 'putRootGroup', 'stagePassword'],
      operator: ['listErasures', 'tellAuditChain'],
    },
    outbox: 'mongodb',
    events: {
      'auth.login-suspended': ['websocket'],
      'auth.login-removed': ['websocket'],
      'auth.login-told': ['websocket'],
      'auth.session-ended': ['websocket'],
      'erasure.requested': ['query'],
    },
    tells: ['auth', 'erasure'],
    erases: true,
  },
  job: {
    contract: JobServiceService,
    calledBy: {
      sagas: ['reportProgress', 'finishJob', 'issueJob', 'getJob', 'listUnfinishedJobs'],
      gateway: ['issueJob', 'findJob', 'finishJob', 'getJob', 'getJobOwners', 'listJobs', 'awaitJob'],
      websocket: ['getJob'],
      bootstrap: ['issueJob', 'findJob', 'finishJob', 'listJobs', 'awaitJob'],
      operator: ['getJob', 'listUnfinishedJobs', 'finishJob'],
    },
    outbox: 'redis',
    events: {
      'job.applied': ['websocket'],
      'job.completed': ['websocket'],
      'job.failed': ['websocket'],
      'job.cancelled': ['websocket'],
    },
    keptDays: { job: 7 },
  },
  chat: {
    contract: ChatServiceService,
    calledBy: {
      gateway: [
        'postMessage',
        'editMessage',
        'deleteMessage',
        'react',
        'markRead',
        'getMessage',
        'listMessages',
        'listReceipts',
        'listUnread',
      ],
      websocket: ['listPlaces', 'postMessage', 'markRead'],
    },
    outbox: 'redis-partitions',
    events: {
      'room.created': ['query'],
      'room.updated': ['query', 'websocket'],
      'room.deleted': ['query', 'websocket'],
      'room-member.changed': ['query', 'websocket'],
      'message.posted': ['query', 'websocket'],
      'message.updated': ['query', 'websocket'],
      'message.deleted': ['query', 'websocket'],
    },
    tells: ['room', 'room-member', 'message'],
    erases: true,
  },
  query: {
    contract: QueryServiceService,
    calledBy: {
      sagas: ['awaitVersions'],
      gateway: [
        'getMember',
        'listMembers',
        'listLookalikes',
        'getMemberSchema',
        'getRole',
        'listRoles',
        'getPolicy',
        'listPolicies',
        'getGroup',
        'listGroups',
        'listSubgroups',
        'listAncestors',
        'listGroupMembers',
        'listCandidates',
        'listCandidacies',
        'getPosition',
        'listPositions',
        'getRoom',
        'listRooms',
        'listRoomMembers',
        'listRoomMessages',
      ],
    },
    copies: [
      'member',
      'member-schema',
      'member-roles',
      'role',
      'policy',
      'group',
      'membership',
      'position',
      'bindings',
      'room',
      'room-member',
      'message',
    ],
    erases: true,
  },
  websocket: { contract: WebsocketServiceService, calledBy: { auth: ['closeSockets'] } },
} as const satisfies Record<string, Entry>;

export type Services = typeof SERVICES;
export type ServiceName = keyof Services;

/** The types of a service's events. */
export type EventOf<Name extends ServiceName> = Services[Name] extends { events: infer Events } ? keyof Events & string : never;

/** The types of the events that a service does something with. */
export type EventReadBy<Reader extends ServiceName> = {
  [Name in ServiceName]: Services[Name] extends { events: infer Events }
    ? { [Type in keyof Events]: Reader extends Events[Type][number & keyof Events[Type]] ? Type : never }[keyof Events]
    : never;
}[ServiceName];

/** The services of which queries do not copy all aggregate types that they tell: what is written there, queries may never see. */
export type UncopiedService = {
  [Name in ServiceName]: Services[Name] extends { tells: readonly Services['query']['copies'][number][] } ? never : Name;
}[ServiceName];

/** A service's outbox: which kind of store, and where in it. */
export interface Outbox {
  name: string;
  kind: 'postgres' | 'mongodb' | 'redis';
  /** The database; the stream's key on Redis, or that of all partitions' streams. */
  place: string;
}

/** Where a service's outbox is: in its own database, or the stream of its name. */
export const outboxPlace = (name: string, kind: Outbox['kind']): string =>
  kind === 'redis' ? outboxStream(name) : `musubi_${name}`;

/** The services that erase members. */
export type Eraser = { [Name in ServiceName]: Services[Name] extends { erases: true } ? Name : never }[ServiceName];
export const ERASERS = Object.entries(SERVICES).flatMap(([name, { erases }]: [string, Entry]) =>
  erases ? [name as Eraser] : [],
);

/** Every outbox of ours. */
export const OUTBOXES: readonly Outbox[] = Object.entries(SERVICES).flatMap(([name, { outbox }]: [string, Entry]) =>
  outbox ? [outboxOf(name, outbox)] : [],
);

function outboxOf(name: string, kind: NonNullable<Entry['outbox']>): Outbox {
  if (kind === 'redis-partitions') return { name, kind: 'redis', place: outboxStreams(name) };
  return { name, kind, place: outboxPlace(name, kind) };
}

/** Where the services' events are published. */
export const TOPICS: readonly string[] = [
  ...new Set(
    Object.values(SERVICES).flatMap(({ events = {} }: Entry) => Object.keys(events).map((type) => topicOf(aggregateOf(type)))),
  ),
];

/** A kind of aggregates whose present state a service tells. */
export interface Teller {
  service: ServiceName;
  aggregateType: string;
  /** Whether queries are made from them. */
  copied: boolean;
}

/** Every kind of aggregates whose present state a service tells (`StateService`). */
export const TELLERS: readonly Teller[] = Object.entries(SERVICES).flatMap(([service, { tells = [] }]: [string, Entry]) =>
  tells.map((aggregateType) => ({
    service: service as ServiceName,
    aggregateType,
    copied: (SERVICES.query.copies as readonly string[]).includes(aggregateType),
  })),
);

/** For how many days Kafka keeps events, by topic. */
export const EVENTS_KEPT_DAYS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.values(SERVICES).flatMap(({ keptDays = {} }: Entry) =>
    Object.entries(keptDays).map(([aggregateType, days]) => [topicOf(aggregateType), days]),
  ),
);
