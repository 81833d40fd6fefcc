import test from 'ava';
import { defaultPositionId } from '../../services/position/domain.ts';
import { type Ended, isExplained, nearest } from './explain.ts';
import { apply, type Command } from './model.ts';
import { summary, whole } from './report.ts';
import type { State } from './state.ts';

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

test('what was away was in the way of others until it was undone, and lets nothing be done', (t) => {
  const [first, second] = [create('d', 'a', 'Kyoto'), create('e', 'a', 'KYOTO')];
  const taken: Ended = { command: second, end: 'NAME_TAKEN' };
  t.true(isExplained(before, [{ command: first, end: 'away' }, taken], before));
  t.false(isExplained(before, [taken], before));
  t.false(isExplained(before, [{ command: first, end: 'NAME_TAKEN' }, taken], before), 'what was refused was never there');
  const below = create('f', 'd');
  t.false(isExplained(before, [{ command: first, end: 'away' }, done(below)], apply(before, below)));
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

const ofOne = { groupId: 'a', memberId: 'two', leaderPositionId: 'a-leader' };

test('of an invitation that ends, what comes before its end may be done, and nothing after it', (t) => {
  const until = '2030-01-01T00:00:00.000Z';
  const invited = apply(before, { ...as, ...ofOne, kind: 'invite', until });
  const accept: Command = { ...as, ...ofOne, kind: 'accept' };
  const ended = done({ ...as, ...ofOne, kind: 'expire', until });
  t.true(isExplained(invited, [done(accept), ended], apply(invited, accept)));
  t.true(isExplained(invited, [{ command: accept, end: 'INVITATION_NOT_FOUND' }, ended], before));
  t.false(isExplained(invited, [{ command: accept, end: 'INVITATION_NOT_FOUND' }], invited), 'it was invited all the time');
  t.false(isExplained(invited, [ended], invited), 'it is over');
  const other = apply(before, { ...as, ...ofOne, kind: 'invite', until: '2031-01-01T00:00:00.000Z' });
  t.true(isExplained(other, [ended], other), 'another one stays');
});

test('a term ends the binding that has it, also of the last that leads, and no other', (t) => {
  const until = '2030-01-01T00:00:00.000Z';
  const bind = (moment: string): Command => ({
    ...{ ...as, ...ofOne, kind: 'bind', memberId: 'one', positionId: 'a-leader', until: moment },
  });
  const end = done({ ...as, ...ofOne, kind: 'end-term', memberId: 'one', positionId: 'a-leader', until });
  const bound = apply(before, bind(until));
  t.false(isExplained(bound, [end], bound), 'it is over');
  const longer = apply(bound, bind(''));
  t.true(isExplained(bound, [done(bind('')), end], longer));
  t.false(isExplained(bound, [done(bind('')), end], bound), 'who is bound again has the other term');
});

test('a tag that becomes one with another is on all that either was on; of those taken out and put in again nothing is left', (t) => {
  const tag = { ...as, groupId: 'a' };
  const tagged = [
    ...(['red', 'blue'] as const).map((name): Command => ({ ...tag, kind: 'put-tag', tag: name })),
    { ...tag, kind: 'tag-member', tag: 'red', memberId: 'one' } satisfies Command,
    { ...tag, kind: 'tag-group', tag: 'blue', subgroupId: 'c' } satisfies Command,
  ].reduce(apply, before);
  const merge: Command = { ...tag, kind: 'rename-tag', tag: 'RED', name: 'Blue', merges: true };
  const merged = apply(tagged, merge);
  t.deepEqual([...(merged.groups.get('a')?.tags ?? [])], [['blue', 'Blue']]);
  t.deepEqual([...(merged.groups.get('a')?.members.get('one') ?? [])], ['blue']);
  t.deepEqual([...(merged.groups.get('c')?.carries ?? [])], ['blue']);
  t.true(isExplained(tagged, [{ command: { ...merge, merges: false }, end: 'TAG_EXISTS' }], tagged));
  const [out, back] = [
    { ...tag, kind: 'remove-tag', tag: 'red' } satisfies Command,
    { ...tag, kind: 'put-tag', tag: 'red' } satisfies Command,
  ];
  t.false(isExplained(tagged, [done(out), done(back)], tagged), 'it is another one, and on nothing');
  t.true(isExplained(tagged, [done(out), done(back)], [out, back].reduce(apply, tagged)));
});

test('of a tag of a group that is gone it may be said what is in the way at what was to carry it', (t) => {
  const archived = apply(before, { ...as, kind: 'archive', groupId: 'c' });
  const tag: Command = { ...as, kind: 'tag-group', groupId: 'gone', subgroupId: 'c', tag: 'red' };
  for (const end of ['GROUP_NOT_FOUND', 'NOT_SUBGROUP', 'GROUP_ARCHIVED'])
    t.true(isExplained(archived, [{ command: tag, end }], archived), end);
  t.false(isExplained(before, [{ command: tag, end: 'GROUP_ARCHIVED' }], before));
});

test('of many that are added each is done or refused by itself', (t) => {
  const add = (memberId: string): Command => ({ ...as, ...ofOne, kind: 'add', memberId });
  const already: Ended = { command: add('one'), end: 'ALREADY_MEMBER' };
  t.true(isExplained(before, [already, done(add('two'))], apply(before, add('two'))));
  t.false(isExplained(before, [{ ...already, end: 'done' }, done(add('two'))], apply(before, add('two'))));
  t.false(isExplained(before, [already, done(add('two'))], before), 'what is said to be done is done');
});

test('who asks to be let in is not invited meanwhile, and is nothing but in the group once it is let in', (t) => {
  const ask: Command = { ...as, ...ofOne, kind: 'request', by: 'two' };
  const onRequest = apply(before, { ...as, kind: 'show', groupId: 'a', visibility: 'request' });
  const asked = apply(onRequest, ask);
  const invite: Command = { ...as, ...ofOne, kind: 'invite', until: '2030-01-01T00:00:00.000Z' };
  t.true(isExplained(asked, [{ command: invite, end: 'ALREADY_REQUESTED' }], asked));
  t.false(isExplained(asked, [done(invite)], apply(asked, invite)));
  const approve: Command = { ...as, ...ofOne, kind: 'approve' };
  const inIt = apply(asked, approve);
  t.true(isExplained(onRequest, [done(ask), done(approve)], inIt));
  t.deepEqual([...(inIt.groups.get('a')?.candidates ?? [])], []);
});

test('what was undone may have been met until then: a name that it kept, or that it was about to lead no more', (t) => {
  const away: Ended = { command: create('', 'a', 'Kyoto'), end: 'away' };
  const taken: Ended = { command: create('', 'a', 'KYOTO'), end: 'NAME_TAKEN' };
  t.true(isExplained(before, [away, taken], before));
  t.false(isExplained(before, [taken], before), 'nobody had the name');
  t.false(isExplained(before, [{ ...away, end: 'NAME_TAKEN' }, taken], before), 'of two that were refused neither had it');
  const elsewhere: Ended = { command: create('', 'b', 'KYOTO'), end: 'NAME_TAKEN' };
  t.false(isExplained(before, [away, elsewhere], before));
  const ofLeader = { groupId: 'a', leaderPositionId: 'a-leader', isAdmin: false };
  const two: Command = { ...as, ...ofLeader, kind: 'add', memberId: 'two' };
  const led = made(create('a', 'root'), two, { ...two, kind: 'bind', positionId: 'a-leader', until: '' });
  const leave = (by: string): Command => ({ ...ofLeader, by, kind: 'leave', memberId: by });
  const last: Ended = { command: leave('two'), end: 'LAST_LEADER' };
  t.true(isExplained(led, [{ command: leave('one'), end: 'away' }, last], led));
  t.false(isExplained(led, [last], led), 'the other one leads it all the time');
});

test('of who was not answered, and refused when it asked again, nobody knows whether it was done', (t) => {
  const leave: Command = { ...as, ...ofOne, kind: 'leave', by: 'one', memberId: 'one' };
  const unsure: Ended = { command: leave, end: 'unsure' };
  t.true(isExplained(before, [unsure], before));
  t.true(isExplained(before, [unsure], apply(before, leave)));
  t.false(isExplained(before, [unsure], made(create('b', 'root'))), 'no more than that');
});

test('what is not explained is told by the order that comes nearest, and in few lines', (t) => {
  const rename: Command = { ...as, kind: 'rename', groupId: 'b', name: 'x' };
  const [wrong, right] = [done(move('b', 'c')), done({ ...as, kind: 'show', groupId: 'a', visibility: 'request' })];
  const found = nearest(before, [wrong, right, { command: rename, end: 'NAME_TAKEN' }], before);
  t.deepEqual(found?.unexplained, [{ command: rename, end: 'NAME_TAKEN' }]);
  t.is(found?.made.length, 2);
  const round = { before, ended: [wrong, right, { command: rename, end: 'NAME_TAKEN' }], after: before, differences: ['x'] };
  const lines = summary({ ...round, nearest: found });
  t.true(lines[1]?.includes('NAME_TAKEN: rename'));
  t.true(lines.length < 12);
  t.deepEqual(whole({ ...round, nearest: found }).length, 1 + 3 + 3 + 3);
});

test('who is no administrator does what its positions permit, there and below, and gives nothing for longer than it has it', (t) => {
  const [leading, until] = [defaultPositionId('a', 'leader'), '2030-01-01T00:00:00.000Z'];
  const by = { by: 'two', isAdmin: false };
  const ofA = { groupId: 'a', leaderPositionId: leading };
  const inIt = apply(before, { ...as, ...ofOne, kind: 'add' });
  const bind: Command = { ...as, ...ofA, kind: 'bind', memberId: 'two', positionId: leading, until };
  const led = apply(inIt, bind);
  const rename = (groupId: string): Command => ({ ...by, kind: 'rename', groupId, name: 'x' });
  t.true(isExplained(led, [done(rename('c'))], apply(led, rename('c'))));
  t.false(isExplained(inIt, [done(rename('c'))], apply(inIt, rename('c'))), 'by nothing');
  t.false(isExplained(led, [done(rename('b'))], apply(led, rename('b'))), 'it leads another group');
  t.true(isExplained(led, [{ command: rename('b'), end: 'PERMISSION_DENIED' }], led));
  t.false(isExplained(led, [{ command: rename('c'), end: 'PERMISSION_DENIED' }], led), 'it may');
  const shown = apply(led, { ...as, kind: 'show', groupId: 'c', visibility: 'invitation' });
  const comes = (kind: 'add' | 'join'): Command => ({ ...by, ...ofA, groupId: 'c', kind, memberId: 'two' });
  t.true(isExplained(shown, [done(comes('add'))], apply(shown, comes('add'))), 'who leads finds what is on invitation');
  t.true(isExplained(shown, [{ command: comes('join'), end: 'GROUP_NOT_FOUND' }], shown));
  const unbind: Command = { ...as, ...ofA, kind: 'unbind', memberId: 'two', positionId: leading };
  const unled = apply(led, unbind);
  t.true(isExplained(led, [done(unbind), { command: rename('c'), end: 'PERMISSION_REVOKED' }], unled));

  const give = (moment: string): Command => ({
    ...by,
    ...ofA,
    kind: 'bind',
    memberId: 'one',
    positionId: leading,
    until: moment,
  });
  const shared = apply(led, give(until));
  t.true(isExplained(led, [done(give(until))], shared));
  t.true(isExplained(led, [{ command: give(''), end: 'EXCEEDS_OWN_PERMISSIONS' }], led));
  t.false(isExplained(led, [done(give(''))], apply(led, give(''))));

  const own = { ...ofA, kind: 'define' as const, id: 'o', name: 'Own', permissions: '' };
  const widen: Command = { ...by, groupId: 'a', kind: 'redefine', positionId: 'o', permissions: 'group.update here' };
  const defined = apply(led, { ...as, ...own });
  const heldFor = (moment: string): State =>
    apply(defined, { ...as, ...ofA, kind: 'bind', memberId: 'one', positionId: 'o', until: moment });
  for (const state of [defined, heldFor(until)]) t.true(isExplained(state, [done(widen)], apply(state, widen)), 'for no longer');
  t.true(isExplained(heldFor(''), [{ command: widen, end: 'EXCEEDS_OWN_PERMISSIONS' }], heldFor('')));
  t.false(isExplained(heldFor(''), [done(widen)], apply(heldFor(''), widen)), 'another holds it for longer');

  const overtaken: Ended = { command: { ...give(until), memberId: 'three' } as Command, end: 'PERMISSION_REVOKED' };
  const prolonged: Command = { ...bind, until: '' };
  t.true(isExplained(led, [overtaken, done(prolonged)], apply(led, prolonged)), 'it was bound for longer itself meanwhile');
  t.false(isExplained(led, [overtaken, done(give(until))], shared), 'another one was');

  // Those who lead the other group would lead it then, and for longer.
  const leadsB = { positionId: defaultPositionId('b', 'leader'), leaderPositionId: defaultPositionId('b', 'leader') };
  const both = [
    { ...as, ...leadsB, groupId: 'b', kind: 'add' as const, memberId: 'two' },
    { ...as, ...leadsB, groupId: 'b', kind: 'bind' as const, memberId: 'two', until: '' },
  ].reduce(apply, led);
  const into = (groupId: string, parentId: string): Command => ({ ...by, kind: 'move', groupId, parentId });
  t.true(isExplained(both, [{ command: into('c', 'b'), end: 'EXCEEDS_OWN_PERMISSIONS' }], both));
  t.false(isExplained(both, [done(into('c', 'b'))], apply(both, into('c', 'b'))));
  t.true(isExplained(both, [done(into('b', 'a'))], apply(both, into('b', 'a'))), 'it leads that without end');

  const editor = { ...as, kind: 'define' as const, id: 'e', groupId: 'a', name: 'Editor', permissions: 'group.update here' };
  const edits = [editor, { ...bind, positionId: 'e', until: '' }].reduce(apply, inIt);
  t.true(isExplained(edits, [done(rename('a'))], apply(edits, rename('a'))));
  t.false(isExplained(edits, [done(rename('c'))], apply(edits, rename('c'))), 'not below');
});
