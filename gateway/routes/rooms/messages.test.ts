import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import { type World, worldTest } from '../../gateway.fixture.ts';
import { playedRoom } from '../../rooms.fixture.ts';

const test = worldTest();

/** A room that the administrator owns, with everybody in it. */
function sharedRoom({ members, hanaId, rooms }: World): { roomId: string; own: string; path: string } {
  const own = [...members.keys()].find((id) => id !== hanaId) ?? '';
  const roomId = newId();
  rooms.set(roomId, playedRoom(roomId, { ownerId: own, memberIds: [own, hanaId] }));
  return { roomId, own, path: `/v1/rooms/${roomId}/messages` };
}

const say = (world: World, path: string, body: object, { token = world.hana, key }: { token?: string; key?: string } = {}) =>
  send(world, 'POST', path, { token, body, headers: key === undefined ? {} : { 'idempotency-key': key } });

test('what is said is answered at once, without a job, and told as it was written', async (t) => {
  const { context: world } = t;
  const { roomId, path } = sharedRoom(world);
  const text = '  <b>Who\u202e</b> brings\nthe watermelon? ';
  const said = await say(world, path, { text });
  t.like(said, { status: 201, body: { roomId, sequence: 1, memberId: world.hanaId, text, reactions: [], version: 1 } });
  for (const absent of ['replyToId', 'editedAt', 'deletedAt']) t.false(absent in said.body, absent);
  t.is(said.headers.get('location'), `${path}/${said.body.id}`);
  t.regex(said.headers.get('etag') ?? '', /^"1\./);
  t.like(world.asked.at(-1), { action: 'room.post', resource: { type: 'Room', id: roomId } });
  const got = await send(world, 'GET', said.headers.get('location') ?? '', { token: world.admin });
  t.deepEqual([got.status, got.body, got.headers.get('etag')], [200, said.body, said.headers.get('etag')]);
  t.like(world.asked.at(-1), { action: 'room.read', resource: { type: 'Room', id: roomId } });
  t.like(await send(world, 'GET', `${path}/${newId()}`, { token: world.admin }), {
    status: 404,
    body: { code: 'MESSAGE_NOT_FOUND' },
  });
  const reply = await say(world, path, { text: 'I do', replyToId: said.body.id.toUpperCase() }, { token: world.admin });
  t.like(reply, { status: 201, body: { sequence: 2, replyToId: said.body.id } });
  t.like(await say(world, path, { text: 'x', replyToId: newId() }), { status: 404, body: { code: 'MESSAGE_NOT_FOUND' } });
  t.is(world.started.length + world.jobs.size, 0);
});

test('without a key each is another message; with one a repeat is the same, of that member in that room', async (t) => {
  const { context: world } = t;
  const { own, path } = sharedRoom(world);
  const other = sharedRoom(world).path;
  const ids = [await say(world, path, { text: 'x' }), await say(world, path, { text: 'x' })].map(({ body }) => body.id);
  for (const id of ids) t.regex(id, /^[\da-f]{8}-[\da-f]{4}-7/);
  t.not(ids[0], ids[1]);
  const first = await say(world, path, { text: 'once' }, { key: 'k/1' });
  t.regex(first.body.id, /^[\da-f]{8}-[\da-f]{4}-8/);
  const again = await say(world, path, { text: 'once' }, { key: 'k/1' });
  t.deepEqual([again.status, again.body], [201, first.body]);
  t.like(await say(world, path, { text: 'another' }, { key: 'k/1' }), {
    status: 422,
    body: { code: 'IDEMPOTENCY_KEY_REUSED' },
  });
  const all = [
    first,
    await say(world, path, { text: 'once' }, { key: 'k/1', token: world.admin }),
    await say(world, other, { text: 'once' }, { key: 'k/1' }),
    await say(world, path, { text: 'once' }, { key: 'k/2' }),
  ];
  t.is(new Set(all.map(({ body }) => body.id)).size, 4);
  t.like(all[1]?.body, { memberId: own });
  for (const key of ['ä', 'a b', 'x'.repeat(256)])
    t.like(await say(world, path, { text: 'x' }, { key }), {
      status: 400,
      body: { errors: [{ in: 'header', field: 'Idempotency-Key' }] },
    });
});

test('what is no text is refused with what would be right', async (t) => {
  const { context: world } = t;
  const { path } = sharedRoom(world);
  const said = await say(world, path, { text: 'x' });
  const raw = (text: string) => `{"text":${text}}`;
  for (const [body, field, code, message] of [
    [{}, 'text', 'REQUIRED', /missing/],
    [{ text: 7 }, 'text', 'WRONG_TYPE', /string/],
    [{ text: '' }, 'text', 'TOO_SHORT', /must not be empty/],
    [{ text: ' \n\u3000\u200b\u2800' }, 'text', 'WRONG_FORMAT', /a character that is seen/],
    [{ text: 'a\0b' }, 'text', 'WRONG_FORMAT', /NUL/],
    [raw('"a\\ud83d"'), 'text', 'INVALID', /well-formed/],
    [{ text: 'x'.repeat(64 * 1024) }, 'text', 'TOO_LONG', /at most 16000 characters/],
    [{ text: '🍉'.repeat(16_001) }, 'text', 'TOO_LONG', /at most 16000 characters/],
    [{ text: 'x', memberId: world.hanaId }, 'memberId', 'UNKNOWN', /known are text/],
  ] as const) {
    for (const [method, at] of [
      ['POST', path],
      ['PATCH', `${path}/${said.body.id}`],
    ] as const) {
      const headers = { 'content-type': 'application/json' };
      const answer = await send(world, method, at, { token: world.hana, headers, body });
      const name = `${method} ${JSON.stringify(body).slice(0, 60)}`;
      t.like(answer, { status: 400, body: { errors: [{ in: 'body', field, code }] } }, name);
      t.regex(answer.body.errors[0].message, message, name);
    }
  }
  const replied = await say(world, path, { text: 'x', replyToId: 'x' });
  t.like(replied, { status: 400, body: { errors: [{ in: 'body', field: 'replyToId', code: 'WRONG_FORMAT' }] } });
  t.is((await say(world, path, { text: 'x'.repeat(1024 * 1024) })).status, 413);
  t.is([...world.rooms.values()][0]?.messages.length, 1);
});

test('the longest text is taken, however JSON writes it', async (t) => {
  const { context: world } = t;
  const { path } = sharedRoom(world);
  const text = '🍉'.repeat(16_000);
  t.is((await say(world, path, { text })).status, 201);
  const escaped = `{"text":"${'\\ud83c\\udf49'.repeat(16_000)}"}`;
  const headers = { 'content-type': 'application/json' };
  const said = await send(world, 'POST', path, { token: world.hana, headers, body: escaped });
  t.is(said.status, 201);
  t.is(said.body.text, text);
});

test('who said it changes it, in the version that was seen', async (t) => {
  const { context: world } = t;
  const { path } = sharedRoom(world);
  const { id } = (await say(world, path, { text: 'x' })).body;
  const edit = (token: string, version: string, at = `${path}/${id}`) =>
    send(world, 'PATCH', at, { token, headers: { 'if-match': version, 'idempotency-key': 'x' }, body: { text: 'y' } });
  t.like(await edit(world.admin, '*'), { status: 403, body: { code: 'NOT_AUTHOR' } });
  t.like(await edit(world.hana, '"2"'), { status: 412, body: { code: 'VERSION_MISMATCH' } });
  t.like(await edit(world.hana, '2'), { status: 400, body: { errors: [{ in: 'header', field: 'If-Match' }] } });
  const edited = await edit(world.hana, '"1"');
  t.like(edited, { status: 200, body: { id, sequence: 1, text: 'y', version: 2 } });
  t.truthy(edited.body.editedAt);
  const tag = edited.headers.get('etag') ?? '';
  t.like(world.asked.at(-1), { action: 'room.post' });
  t.like(await edit(world.hana, tag), { status: 200, body: { version: 3 } });
  for (const none of [newId(), 'x'])
    t.like(await edit(world.hana, '*', `${path}/${none}`), { status: 404, body: { code: 'MESSAGE_NOT_FOUND' } });
});

test('what was said is taken back by who said it, or who owns the room; its place stays', async (t) => {
  const { context: world } = t;
  const { path } = sharedRoom(world);
  const [one, two, three] = await Promise.all([
    say(world, path, { text: '1' }),
    say(world, path, { text: '2' }),
    say(world, path, { text: '3' }, { token: world.admin }),
  ]);
  const remove = (token: string, id: string, headers = {}) => send(world, 'DELETE', `${path}/${id}`, { token, headers });
  t.like(await remove(world.hana, three.body.id), { status: 403, body: { code: 'NOT_AUTHOR' } });
  t.like(await remove(world.hana, one.body.id, { 'if-match': '"9"' }), { status: 412, body: { code: 'VERSION_MISMATCH' } });
  const gone = await remove(world.hana, one.body.id, { 'if-match': '"1"' });
  t.like(gone, { status: 200, body: { id: one.body.id, sequence: one.body.sequence, version: 2 } });
  t.false('text' in gone.body);
  t.truthy(gone.body.deletedAt);
  t.like(world.asked.at(-1), { action: 'room.post' });
  t.is((await remove(world.admin, two.body.id)).status, 200);
  const { items } = (await send(world, 'GET', path, { token: world.hana })).body;
  t.is(items.length, 3);
  t.is(items.filter((item: object) => 'text' in item).length, 1);
});

test('an emoji is put on a message and taken away, as often as it is asked', async (t) => {
  const { context: world } = t;
  const { path } = sharedRoom(world);
  const { id } = (await say(world, path, { text: 'x' })).body;
  const react = (method: string, emoji: string) =>
    send(world, method, `${path}/${id}/reactions/${emoji}`, { token: world.hana, headers: { 'idempotency-key': 'x' } });
  for (const emoji of ['👍', '👩🏽‍🚀', '🇯🇵', '1️⃣', '❤️']) {
    for (const _ of [1, 2]) {
      const put = await react('PUT', encodeURIComponent(emoji));
      t.like(put, { status: 200, body: { id, reactions: [{ emoji, memberIds: [world.hanaId] }] } });
      t.regex(put.headers.get('etag') ?? '', new RegExp(`^"${put.body.version}\\.`));
    }
    t.like(world.asked.at(-1), { action: 'room.post' });
    for (const _ of [1, 2]) t.deepEqual((await react('DELETE', encodeURIComponent(emoji))).body.reactions, []);
  }
  for (const none of ['a', '👍👍', '👍a', ' 👍', '1', '❤', 'x'.repeat(65), '👍'.repeat(500)])
    for (const method of ['PUT', 'DELETE']) {
      const answer = await react(method, encodeURIComponent(none));
      t.like(answer, { status: 400, body: { errors: [{ in: 'path', field: 'emoji' }] } }, none);
      t.regex(answer.body.errors[0].message, /one emoji|at most 64/);
    }
  const message = [...world.rooms.values()][0]?.messages[0];
  message?.reactions.push(...Array.from({ length: 50 }, (_, n) => ({ emoji: `${n}`, memberIds: [world.hanaId] })));
  t.like(await react('PUT', encodeURIComponent('👍')), { status: 409, body: { code: 'TOO_MANY_REACTIONS' } });
  const nothing = await send(world, 'PUT', `${path}/${newId()}/reactions/%F0%9F%91%8D`, { token: world.hana });
  t.like(nothing, { status: 404, body: { code: 'MESSAGE_NOT_FOUND' } });
});

test('who is not in the room is told of nothing in it', async (t) => {
  const { context: world } = t;
  const { roomId, own, path } = sharedRoom(world);
  const { id } = (await say(world, path, { text: 'x' }, { token: world.admin })).body;
  world.rooms.set(roomId, { ...(world.rooms.get(roomId) ?? playedRoom(roomId)), memberIds: [own] });
  for (const [method, at, body] of [
    ['POST', path, { text: 'x' }],
    ['GET', path],
    ['GET', `${path}?after=0`],
    ['PATCH', `${path}/${id}`, { text: 'x' }],
    ['DELETE', `${path}/${id}`],
    ['PUT', `${path}/${id}/reactions/%F0%9F%91%8D`],
    ['DELETE', `${path}/${id}/reactions/%F0%9F%91%8D`],
    ['PUT', `/v1/rooms/${roomId}/read`, { sequence: 1 }],
    ['GET', `/v1/rooms/${roomId}/receipts`],
  ] as const) {
    const answer = await send(world, method, at, { token: world.hana, body });
    t.like(answer, { status: 404, body: { code: 'ROOM_NOT_FOUND' } }, `${method} ${at}`);
    const nowhere = await send(world, method, at.replace(roomId, newId()), { token: world.hana, body });
    t.is(nowhere.body.detail, answer.body.detail, 'in the same words');
  }
});

test('who is gone is not named, and its text may have stayed', async (t) => {
  const { context: world } = t;
  const { path } = sharedRoom(world);
  await say(world, path, { text: 'x' }, { token: world.admin });
  const message = [...world.rooms.values()][0]?.messages[0];
  Object.assign(message ?? {}, { memberId: '' });
  const { items } = (await send(world, 'GET', path, { token: world.hana })).body;
  t.like(items, [{ text: 'x' }]);
  t.false('memberId' in items[0]);
});
