import test from 'ava';
import { type Ended, isExplained } from './explain.ts';
import { apply, type Command, type State } from './model.ts';

// What the model of the organisation takes for explained, and what it does not: what it lets pass, no run of it would find.

const as = { by: 'one', isAdmin: true };
const create = (id: string, parentId: string, name = id): Command => ({
  ...{ ...as, kind: 'create', id, parentId, name, visibility: 'open', leaderPositionId: `${id}-leader` },
});
const made = (...commands: Command[]): State => commands.reduce(apply, { groups: new Map() });
const done = (command: Command): Ended => ({ command, end: 'done' });
const move = (groupId: string, parentId: string): Command => ({ ...as, kind: 'move', groupId, parentId });

const before = made(create('a', 'root'), create('b', 'root'), create('c', 'a'));

test('two moves that would make a circle: one of them, whichever it is', (t) => {
  const [one, other] = [move('a', 'b'), move('b', 'a')];
  const cycle = (command: Command): Ended => ({ command, end: 'GROUP_CYCLE' });
  t.true(isExplained(before, [done(one), cycle(other)], apply(before, one)));
  t.true(isExplained(before, [cycle(one), done(other)], apply(before, other)));
  t.false(isExplained(before, [done(one), done(other)], apply(before, one)), 'not both');
  t.false(isExplained(before, [cycle(one), cycle(other)], before), 'not neither');
  t.false(isExplained(before, [done(one), cycle(other)], apply(before, other)), 'not the other one');
});

test('of two that write the same, what there is says which was the last', (t) => {
  const name = (to: string): Command => ({ ...as, kind: 'rename', groupId: 'a', name: to });
  for (const last of ['x', 'y']) {
    const after = apply(before, name(last));
    t.true(isExplained(before, [done(name('x')), done(name('y'))], after));
    t.false(isExplained(before, [done(name('x')), done(name('y'))], before));
  }
});

test('what is refused was so at some time, also between two that were done; what was away did nothing', (t) => {
  const [leave, come] = (['leave', 'join'] as const).map(
    (kind): Command => ({ ...as, kind, groupId: 'a', memberId: 'one', leaderPositionId: 'a-leader' }),
  ) as [Command, Command];
  const rejoined = apply(apply(before, leave), come);
  t.true(isExplained(before, [done(leave), done(come), { command: leave, end: 'NOT_MEMBER' }], rejoined));
  t.false(isExplained(before, [done(leave), done(come), { command: leave, end: 'GROUP_ARCHIVED' }], rejoined));
  t.true(isExplained(before, [{ command: leave, end: 'away' }], before));
  t.false(isExplained(before, [{ command: leave, end: 'away' }], apply(before, leave)));
});

test('a group is deleted with all below it, and nothing comes into it any more', (t) => {
  const remove: Command = { ...as, kind: 'delete', groupId: 'a', cascade: true };
  const late = create('d', 'c');
  const gone = made(create('b', 'root'));
  t.true(isExplained(before, [done(remove), done(late)], gone), 'what came in before goes with it');
  t.true(isExplained(before, [done(remove), { command: late, end: 'GROUP_NOT_FOUND' }], gone));
  t.false(isExplained(before, [done(remove), done(late)], made(create('b', 'root'), late)), 'nothing is left of it');
  t.false(isExplained(before, [done({ ...as, kind: 'delete', groupId: 'a', cascade: false })], gone), 'not without that');
});
