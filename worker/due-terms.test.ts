import test from 'ava';
import { createLogger } from '#platform/process/log.ts';
import type { Term } from '../activities/terms.ts';
import { SCHEDULES } from '../temporal.config.ts';
import { invitationTerm } from '../workflows/invitation-term.ts';
import { dueInvitations } from './due-terms.ts';
import { setDueTerms } from './terms.ts';

test('the terms of invitations that are due are asked for page by page, until there are no more', async (t) => {
  const until = '2030-01-02T03:04:05.678Z';
  const positionId = '';
  const pages = [
    [
      { groupId: 'g1', memberId: 'm1', positionId, until },
      { groupId: 'g1', memberId: 'm2', positionId, until },
    ],
    [{ groupId: 'g2', memberId: 'm1', positionId, until }],
  ];
  const asked: object[] = [];
  const group = {
    listDueTerms: async (request: object) => {
      asked.push(request);
      return { terms: pages[asked.length - 1] ?? [] };
    },
  };
  const terms: Term[] = [];
  for await (const page of dueInvitations({ group } as never, 60_000)) terms.push(...page);
  t.deepEqual(
    terms,
    [
      { groupId: 'g1', memberId: 'm1' },
      { groupId: 'g1', memberId: 'm2' },
      { groupId: 'g2', memberId: 'm1' },
    ].map((one) => invitationTerm(one, until)),
  );
  t.like(terms[0], { about: 'invitation/g1/m1', command: 'group.expire-invitation', input: { until } });
  t.deepEqual(
    asked,
    [undefined, ...pages.map((page) => page.at(-1))].map((after) => ({ withinMs: 60_000, after, pageSize: 20 })),
  );
});

test('asked for is what ends before the run after the next: what one run can not set the next one sets in time', async (t) => {
  const asked: number[] = [];
  const nothing = async function* (_: unknown, withinMs: number): AsyncGenerator<Term[]> {
    asked.push(withinMs);
    yield [];
  };
  const context = { peers: {} as never, terms: {} as never, log: createLogger('test', 'silent'), progressed: () => undefined };
  t.deepEqual(await setDueTerms(context, { group: nothing, position: nothing }), { due: 0, away: [] });
  const { everyMs } = SCHEDULES['upkeep.terms'];
  t.deepEqual(asked, [2 * everyMs, 2 * everyMs]);
});
