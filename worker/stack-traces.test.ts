import { randomUUID } from 'node:crypto';
import test from 'ava';
import { asOperator, host, makeNamespace, ready, register, untilHeld } from './host.fixture.ts';

// How the threads of workflows are made is a matter of the whole process: this file is one of its own, and its first host
// has the setting.

test.before(makeNamespace);

/** What a host's workflow says where it is, while it waits for a service that is away past its pivot. */
async function stackTrace(more: object): Promise<string> {
  const { commands, lifecycle, away } = host(['member'], { more });
  await ready(lifecycle);
  away.add('activateMember');
  const jobId = randomUUID();
  await commands.startCommand(register(jobId));
  await untilHeld(jobId);
  try {
    return await asOperator((client) => client.workflow.getHandle(jobId).query<string>('__stack_trace'));
  } finally {
    await asOperator((client) => client.workflow.getHandle(jobId).terminate('by the test'));
    await lifecycle.stop('tested');
  }
}

test.serial('the setting brings back the stack traces that Temporal shows of running workflows', async (t) => {
  t.regex(await stackTrace({ MUSUBI_WORKFLOW_STACK_TRACES: 'on' }), /\bat .*registerMember|register-member|scheduleActivity/);
});

test.serial('without it there are none', async (t) => {
  await t.throwsAsync(stackTrace({}), { message: /stack traces are not enabled/ });
});
