import type { ServiceDefinition } from '@grpc/grpc-js';
import test from 'ava';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { StepCall } from '../activities/call.ts';
import { CONTRACTS } from '../activities/index.ts';
import { deleteMember } from './delete-member.ts';
import { finish, pivot, saga } from './saga.ts';
import * as sagas from './sagas.ts';
import { type StepsOf, services } from './step.ts';
import { checkList } from './tries.ts';

// What can not be declared, and so never starts.

const { auth, member, role } = services;
const body = () => Promise.resolve({});
const ofMember = (memberId: string) => ({ memberId });

test('a saga that would wait for what queries never see is an error of types', (t) => {
  interface Writes {
    write: (step: StepCall, request: object) => Promise<{ written: AggregateVersion | undefined }>;
    ask: (step: StepCall, request: object) => Promise<{ answer: string }>;
  }
  const of = (service: string) => ({ write: { service, name: 'write' }, ask: { service, name: 'ask' } });
  const copied = of('member') as unknown as StepsOf<'member', Writes>;
  const uncopied = of('auth') as unknown as StepsOf<'auth', Writes>;
  saga('member.seen', [[copied.write, uncopied.ask]], body);
  // @ts-expect-error: queries copy nothing of Auth
  saga('member.unseen', [[uncopied.write]], body);
  t.pass();
});

test('a saga that could not be undone, or not be finished, is refused where it is declared', (t) => {
  const wrong = (message: RegExp, declare: () => unknown) => t.throws(declare, { message });
  wrong(/declares member.createMember twice/, () => saga('member.x', [[member.createMember, member.createMember]], body));
  wrong(/does auth.removeLogin after its pivot: declare it by finish\(\)/, () =>
    saga('member.x', [[pivot(member.deleteMember), auth.removeLogin]], body),
  );
  wrong(/does auth.confirmPermit after its pivot/, () =>
    saga('member.x', [[pivot(auth.grantRoles), finish(member.activateMember, ofMember), pivot(auth.confirmPermit)]], body),
  );
  t.notThrows(() => saga('member.x', [[pivot(auth.grantRoles), pivot(auth.confirmPermit)]], body));
  const withPivot = saga('member.y', [[pivot(member.deleteMember)]], body);
  wrong(/runs member.y before its pivot/, () => saga('member.x', [[withPivot, role.assignRoles]], body));
  t.notThrows(() => saga('member.x', [[pivot(auth.grantRoles), finish(member.activateMember, ofMember)]], body));
});

test('a list is of so many items, each with a key of its own, and not too many of them at the same time', (t) => {
  const keys = (count: number): { key: string }[] => Array.from({ length: count }, (_, i) => ({ key: `${i}` }));
  t.notThrows(() => checkList('a.b', keys(10_000), 100));
  t.throws(() => checkList('a.b', keys(10_001), 10), { message: 'a.b: a list has at most 10000 items, not 10001' });
  for (const atOnce of [0, 101, 1.5])
    t.throws(() => checkList('a.b', keys(1), atOnce), { message: /at the same time, but 1 to 100$/ });
  t.throws(() => checkList('a.b', [...keys(2), ...keys(1)], 10), { message: 'a.b: a key is given twice' });
  for (const key of ['', 'x/y']) t.throws(() => checkList('a.b', [{ key }], 10), { message: `a.b: "${key}" is no key` });
});

test('a member that is deleted is kept out before anything waits for what it has under way', (t) => {
  const names = deleteMember.steps.map(({ service, name }) => `${service}.${name}`);
  const closed = names.indexOf('auth.suspendLogin');
  t.true(closed !== -1 && closed < names.indexOf('member.beginDelete'), names.join());
  for (const name of deleteMember.pivots) t.true(closed < names.indexOf(name));
});

test('every pivot of a saga takes the permit by which the saga was begun, so that Auth looks at it last', (t) => {
  for (const { command, pivots } of Object.values(sagas)) {
    t.true(pivots.length > 0, command);
    for (const pivot of pivots) {
      const [service = '', name = ''] = pivot.split('.');
      const rpc = (CONTRACTS[service as keyof typeof CONTRACTS] as ServiceDefinition)[name];
      t.true('permit' in ((rpc?.requestDeserialize(Buffer.alloc(0)) ?? {}) as object), `${command}: ${pivot}`);
    }
  }
});
