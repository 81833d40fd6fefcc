import { newId } from '#platform/validation/id.ts';
import type { Gap } from '#proto/musubi/chat/v1/chat.ts';
import { send } from '../../client.fixture.ts';
import { type World, worldTest } from '../../gateway.fixture.ts';
import { type PlayedRoom, playedRoom, saidIn } from '../../rooms.fixture.ts';

const test = worldTest();

const to = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, n) => n + first);
const within = (gaps: readonly Gap[], sequence: number): boolean =>
  gaps.some(({ first, last }) => first <= sequence && sequence <= last);

/** A room in which so much was said. */
function roomOf({ rooms, hanaId }: World, last: number, given: Partial<PlayedRoom> = {}): string {
  const roomId = newId();
  const sequences = to(last).filter((sequence) => !within(given.gaps ?? [], sequence));
  rooms.set(roomId, playedRoom(roomId, { memberIds: [hanaId], messages: saidIn(roomId, hanaId, sequences), ...given }));
  return `/v1/rooms/${roomId}/messages`;
}

interface Page {
  items: { sequence: number }[];
  gaps: Gap[];
  nextPageToken?: string;
}

/** All pages of a history. */
async function pagesOf(world: World, path: string, query: string): Promise<Page[]> {
  const pages: Page[] = [];
  for (let token = ''; ; ) {
    const { status, body } = await send(world, 'GET', `${path}?${query}${token && `&pageToken=${token}`}`, { token: world.hana });
    if (status !== 200) throw new Error(JSON.stringify(body));
    pages.push(body);
    if (!body.nextPageToken) return pages;
    token = body.nextPageToken;
  }
}

const sequencesOf = ({ items }: Page): number[] => items.map(({ sequence }) => sequence);

test('a history is read from its end, or from a message on, whole, once and in order, wherever it lies', async (t) => {
  const { context: world } = t;
  const gaps = [
    { first: 5, last: 7 },
    { first: 20, last: 20 },
  ];
  for (const lost of [[], gaps])
    for (const archived of [0, 6, 7, 12, 23])
      for (const size of [2, 7, 100]) {
        const path = roomOf(world, 23, { archived, gaps: lost });
        const name = `${lost.length} gaps, ${archived} archived, ${size} a page`;
        const expected = to(23).filter((one) => !within(lost, one));
        const back = await pagesOf(world, path, `pageSize=${size}`);
        t.deepEqual(back.flatMap(sequencesOf), expected.toReversed(), name);
        t.deepEqual(whole(back.flatMap((page) => page.gaps).toReversed()), lost, name);
        for (const after of [0, 6, 12]) {
          const on = await pagesOf(world, path, `pageSize=${size}&after=${after}`);
          t.deepEqual(
            on.flatMap(sequencesOf),
            expected.filter((one) => one > after),
            `${name}, after ${after}`,
          );
          const left = lost.map(({ first, last }) => ({ first: Math.max(first, after + 1), last }));
          t.deepEqual(
            whole(on.flatMap((page) => page.gaps)),
            left.filter(({ first, last }) => first <= last),
          );
        }
      }
});

/** Gaps that follow each other, as one. */
function whole(gaps: readonly Gap[]): Gap[] {
  const all: Gap[] = [];
  for (const gap of gaps) {
    const before = all.at(-1);
    if (before?.last === gap.first - 1) before.last = gap.last;
    else all.push({ ...gap });
  }
  return all;
}

test('one page is made of what Chat and what queries have, and says which numbers no message has', async (t) => {
  const { context: world } = t;
  const path = roomOf(world, 30, {
    archived: 20,
    gaps: [
      { first: 10, last: 15 },
      { first: 18, last: 18 },
      { first: 25, last: 27 },
    ],
  });
  const read = async (query: string) => (await send(world, 'GET', `${path}?${query}`, { token: world.hana })).body;
  const page = await read('pageSize=12');
  t.deepEqual(sequencesOf(page), [30, 29, 28, 24, 23, 22, 21, 20, 19, 17, 16, 9]);
  t.deepEqual(page.gaps, [
    { first: 25, last: 27 },
    { first: 18, last: 18 },
    { first: 10, last: 15 },
  ]);
  const next = await read(`pageSize=12&pageToken=${page.nextPageToken}`);
  t.deepEqual([sequencesOf(next), next.gaps, next.nextPageToken], [to(8).toReversed(), [], undefined]);
  const on = await read('after=12&pageSize=8');
  t.deepEqual(sequencesOf(on), [16, 17, 19, 20, 21, 22, 23, 24]);
  t.deepEqual(on.gaps, [
    { first: 13, last: 15 },
    { first: 18, last: 18 },
  ]);
  t.deepEqual(sequencesOf(await read(`after=12&pageSize=8&pageToken=${on.nextPageToken}`)), [28, 29, 30]);
  t.deepEqual(await read('after=30'), { items: [], gaps: [] });
  t.deepEqual(await read('after=999999999999999'), { items: [], gaps: [] });
});

test('in a room in which nothing was said there is nothing', async (t) => {
  const { context: world } = t;
  const path = roomOf(world, 0);
  for (const query of ['', '?after=0', '?after=7'])
    t.deepEqual((await send(world, 'GET', path + query, { token: world.hana })).body, { items: [], gaps: [] }, query);
});

test('what queries have of lost numbers all the same is shown, and is no gap', async (t) => {
  const { context: world } = t;
  const path = roomOf(world, 12, { archived: 12 });
  const [room] = world.rooms.values();
  if (room) room.gaps = [{ first: 4, last: 8 }];
  if (room) room.messages = room.messages.filter(({ sequence }) => ![4, 6, 7].includes(sequence));
  const [page] = await pagesOf(world, path, 'pageSize=100');
  t.deepEqual(page && sequencesOf(page), [12, 11, 10, 9, 8, 5, 3, 2, 1]);
  t.deepEqual(page?.gaps, [
    { first: 6, last: 7 },
    { first: 4, last: 4 },
  ]);
});

test('while queries do not know what only they have, that is said, rather than that nothing was said', async (t) => {
  const { context: world } = t;
  const path = roomOf(world, 30, { archived: 20, projected: 15, gaps: [{ first: 14, last: 17 }] });
  const [room] = world.rooms.values();
  const read = (query: string) => send(world, 'GET', `${path}?${query}`, { token: world.hana });
  t.is((await read('pageSize=10')).status, 200, 'Chat has that itself');
  t.is((await read('after=20')).status, 200);
  for (const query of ['pageSize=11', 'after=0&pageSize=100', 'after=18']) {
    const answer = await read(query);
    t.like(answer, { status: 503, body: { code: 'SERVICE_UNAVAILABLE' } }, query);
    t.is(answer.headers.get('retry-after'), '1');
  }
  t.is((await read('after=0&pageSize=5')).status, 200, 'they know that');
  if (room) room.projected = 20;
  for (const query of ['pageSize=11', 'after=0&pageSize=100', 'after=18']) t.is((await read(query)).status, 200, query);
  // What they lack in between is not what they do not know yet.
  if (room) room.projected = 30;
  if (room) room.messages = room.messages.filter(({ sequence }) => sequence !== 20);
  t.deepEqual(sequencesOf((await read('pageSize=12')).body), [...to(30, 21).toReversed(), 19, 18]);
});

test('where a page begins is good for this list only', async (t) => {
  const { context: world } = t;
  const path = roomOf(world, 5);
  const other = roomOf(world, 5);
  const ask = (at: string) => send(world, 'GET', at, { token: world.hana });
  const { nextPageToken: back } = (await ask(`${path}?pageSize=2`)).body;
  const { nextPageToken: on } = (await ask(`${path}?pageSize=2&after=1`)).body;
  t.truthy(back && on);
  for (const wrong of [
    `${other}?pageToken=${back}`,
    `${path}?after=1&pageToken=${back}`,
    `${path}?pageToken=${on}`,
    `${path}?after=2&pageToken=${on}`,
    `${path}?pageToken=x`,
  ])
    t.like(await ask(wrong), {
      status: 400,
      body: { code: 'PAGE_TOKEN_INVALID', errors: [{ in: 'query', field: 'pageToken' }] },
    });
  for (const [query, field] of [
    ['after=-1', 'after'],
    ['after=x', 'after'],
    ['after=1.5', 'after'],
    ['after=', 'after'],
    ['after=9999999999999999999', 'after'],
    ['after=1&after=2', 'after'],
    ['before=1', 'before'],
    ['pageSize=0', 'pageSize'],
    ['pageSize=101', 'pageSize'],
  ] as const)
    t.like(await ask(`${path}?${query}`), { status: 400, body: { errors: [{ in: 'query', field }] } }, query);
});
