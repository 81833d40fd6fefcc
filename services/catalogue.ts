import type { ServiceDefinition } from '@grpc/grpc-js';
import { aggregateOf, topicOf } from '#platform/outbox/event.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';

/** Who calls services by gRPC. `sagas`: every process that hosts workers. */
type Caller = 'sagas' | 'gateway' | 'websocket';

/** All that others may have to know of a service. */
interface Facts {
  contract: ServiceDefinition;
  calledBy: readonly Caller[];
  /** The store in which the service's outbox is, under the service's name (`outboxPlace`); none: it tells of nothing. */
  outbox?: 'postgres' | 'mongodb' | 'redis';
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
 * stores that tests compare follow from it: outside of its folder a new service is declared only here.
 */
export const SERVICES = {
  member: {
    contract: MemberServiceService,
    calledBy: ['sagas'],
    outbox: 'postgres',
    events: {
      'member.created': ['query'],
      'member.activated': ['query'],
      'member.updated': ['query'],
      'member.suspended': ['query'],
      'member.reinstated': ['query'],
      'member.deleted': ['query'],
    },
    tells: ['member'],
  },
  role: {
    contract: RoleServiceService,
    calledBy: ['sagas'],
    outbox: 'postgres',
    events: { 'member-roles.assigned': ['query'], 'member-roles.unassigned': ['query'] },
    tells: ['member-roles'],
  },
  auth: {
    contract: AuthServiceService,
    calledBy: ['sagas', 'gateway', 'websocket'],
    outbox: 'mongodb',
    events: {
      'auth.login-suspended': ['websocket'],
      'auth.login-removed': ['websocket'],
      'auth.login-told': ['websocket'],
      'auth.session-ended': ['websocket'],
    },
    tells: ['auth'],
  },
  job: {
    contract: JobServiceService,
    calledBy: ['sagas', 'gateway', 'websocket'],
    outbox: 'redis',
    events: {
      'job.applied': ['websocket'],
      'job.completed': ['websocket'],
      'job.failed': ['websocket'],
      'job.cancelled': ['websocket'],
    },
    keptDays: { job: 7 },
  },
  query: { contract: QueryServiceService, calledBy: ['sagas', 'gateway'], copies: ['member', 'member-roles'] },
  websocket: { contract: WebsocketServiceService, calledBy: ['sagas'] },
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

/** The contracts that a caller calls, by service. */
type CalledBy<C extends Caller> = {
  [Name in ServiceName as C extends Services[Name]['calledBy'][number] ? Name : never]: Services[Name]['contract'];
};

/** The contracts that a caller calls, by service. */
export function calledBy<C extends Caller>(caller: C): CalledBy<C> {
  const called = Object.entries(SERVICES).filter(([, entry]: [string, Entry]) => entry.calledBy.includes(caller));
  return Object.fromEntries(called.map(([name, { contract }]) => [name, contract])) as CalledBy<C>;
}

/** A service's outbox: which kind of store, and where in it. */
export interface Outbox {
  name: string;
  kind: NonNullable<Entry['outbox']>;
  /** The database; the stream's key on Redis. */
  place: string;
}

/** Where a service's outbox is: in its own database, or the stream of its name. */
export const outboxPlace = (name: string, kind: Outbox['kind']): string =>
  kind === 'redis' ? `outbox:${name}` : `musubi_${name}`;

/** Every outbox of ours. */
export const OUTBOXES: readonly Outbox[] = Object.entries(SERVICES).flatMap(([name, { outbox }]: [string, Entry]) =>
  outbox ? [{ name, kind: outbox, place: outboxPlace(name, outbox) }] : [],
);

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
