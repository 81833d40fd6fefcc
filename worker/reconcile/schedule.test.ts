import test from 'ava';
import { until } from '#platform/until.fixture.ts';
import { asOperator, host, makeNamespace, ready } from '../host.fixture.ts';
import { type Regular, regular } from '../schedules.ts';
import type { Report } from './findings.ts';

test.before(makeNamespace);

test('the Schedule compares, by whoever hosts sagas, and shows in the Web UI what was found', async (t) => {
  const { lifecycle, logins } = host(['member'], { watching: true });
  t.teardown(() => lifecycle.stop('done'));
  await ready(lifecycle);
  await asOperator(async (client) => {
    const schedule = client.schedule.getHandle('upkeep.reconcile');
    const isMade = (): Promise<boolean> =>
      schedule.describe().then(
        () => true,
        () => false,
      );
    await until(isMade);
    await schedule.trigger();
    let found: Regular<Report> | undefined;
    await until(async () => {
      found = await regular<Report>(client, 'upkeep.reconcile');
      return found.last;
    });
    t.deepEqual(found?.last?.result, {
      compared: { logins: 0, members: 0, roles: 0, groups: 0, memberships: 0 },
      repaired: {},
      left: [],
      leftInAll: 0,
    });
    const { action } = (await schedule.describe()).info.recentActions.at(-1) ?? {};
    const { userMetadata } = await client.workflowService
      .describeWorkflowExecution({
        namespace: client.options.namespace,
        execution: { workflowId: action?.workflow.workflowId ?? '' },
      })
      .then(({ executionConfig }) => executionConfig ?? {});
    t.true(
      Buffer.from(userMetadata?.summary?.data ?? '')
        .toString()
        .includes('Auth agree'),
    );

    // What can not be put right is a finding, and so is that nobody looks.
    const finding = async (): Promise<string> => (await lifecycle.attention()).drift ?? '';
    t.is(await finding(), '');
    for (const memberId of ['a', 'b']) logins.push({ memberId, loginId: memberId, roleIds: [], status: 'active', version: 1 });
    await schedule.trigger();
    await until(async () => (await finding()) !== '');
    t.is(
      await finding(),
      'unknown-member of a (and 1 more) can not be put right (STORE_EMPTY): the last run of upkeep.reconcile in the Web UI names what differs',
    );
    logins.splice(0);
    await schedule.trigger();
    await until(async () => (await finding()) === '');
    await schedule.pause('by the test');
    await until(async () => /not compared .* is paused/.test(await finding()));
  });
});
