import test from 'ava';
import { servers } from '#platform/test-servers.fixture.ts';
import { newId } from '#platform/validation/id.ts';
import { type Chat, call, openChat } from './chat.fixture.ts';

let chat: Chat;
test.before(async () => {
  chat = await openChat('pace', servers.redis(), { burst: 5, everySeconds: 100 });
});
test.after.always(() => chat.close());

test('what a member types is bounded, in all rooms together, and says when it may go on; others type on', async (t) => {
  const [taro, jiro] = [newId(), newId()];
  const [roomId, another] = [await chat.room(taro, jiro), await chat.room(taro, jiro)];
  const { messageId } = await chat.post(roomId, taro, 'One');
  const asked = { roomId, memberId: taro, messageId };
  await chat.handlers.editMessage({ ...asked, text: 'Two', expectedVersion: undefined }, call as never);
  await chat.handlers.react({ ...asked, emoji: '👍', remove: false }, call as never);
  await chat.handlers.markRead({ roomId, memberId: taro, sequence: 1 }, call as never);
  await chat.post(another, taro, 'Five');
  const refused = { code: 'TOO_MANY_MESSAGES' };
  const error = await t.throwsAsync(chat.post(roomId, taro, 'Six'), refused);
  const { retryAfterSeconds = 0 } = error as { retryAfterSeconds?: number };
  t.true(retryAfterSeconds > 90 && retryAfterSeconds <= 100, `${retryAfterSeconds} s`);
  await t.throwsAsync(chat.handlers.deleteMessage({ ...asked, expectedVersion: undefined }, call as never), refused);
  await t.throwsAsync(chat.handlers.markRead({ roomId, memberId: taro, sequence: 1 }, call as never), refused);
  // Who reads types nothing.
  t.is((await chat.list(roomId, taro)).last, 1);
  t.is((await chat.post(roomId, jiro, 'Mine')).sequence, 2);
});
