import test from 'ava';
import { DOMAINS, queueOfDomain } from '../temporal.config.ts';
import type { CommandName } from '../workflows/commands.ts';
import * as sagas from '../workflows/sagas.ts';
import { startOptions } from './start.ts';

const queueOf = (command: CommandName, own = [...DOMAINS]): string | undefined =>
  startOptions({ command, jobId: 'j', memberId: 'm', aggregateId: 'a', input: {}, summary: '' }, own).taskQueue;

test('every command is worked on in the queue of a domain', (t) => {
  for (const command of Object.keys(sagas) as CommandName[]) {
    t.true((DOMAINS as readonly string[]).includes(queueOf(command) ?? ''), command);
    t.is(queueOf(command, []), queueOfDomain('member'), 'all share one, unless they are deployed alone');
  }
});

test('a command is of the domain of its name, or of that of what it is about: rooms are of chat', (t) => {
  t.is(queueOf('member.register'), 'member');
  t.is(queueOf('room.create'), 'chat');
  t.is(queueOf('room.create', ['member']), queueOfDomain('chat'));
});
