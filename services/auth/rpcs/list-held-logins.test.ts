import { randomUUID } from 'node:crypto';
import test from 'ava';
import { freshLogin, openTestAuth } from '../auth.fixture.ts';
import { listHeldLogins } from './list-held-logins.ts';

test('holds are listed page by page, each once, while they last; their tokens are of no other list', async (t) => {
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => own.close());
  const names = Array.from({ length: 7 }, freshLogin);
  for (const loginId of names) {
    const memberId = await own.member({ loginId });
    await own.steps.rebindLogin({ operationId: randomUUID(), memberId, loginId: freshLogin() });
  }
  const [lapsed = ''] = names;
  const { collection } = own.store.heldLogins;
  await collection.updateOne({ loginId: lapsed }, { $set: { until: new Date(own.store.clock.now() - 1) } });
  const seen: (string | undefined)[] = [];
  for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
    const page = await listHeldLogins(own.store, { loginId: '', pageSize: 2, pageToken });
    seen.push(...page.heldLogins.map(({ loginId }) => loginId));
    pageToken = page.nextPageToken;
  }
  t.deepEqual(seen.toSorted(), names.slice(1).toSorted());
  await t.notThrowsAsync(own.member({ loginId: lapsed }), 'one that is over holds nobody up');
  for (const pageToken of ['x', Buffer.from('{}').toString('base64url'), '%'])
    await t.throwsAsync(listHeldLogins(own.store, { loginId: '', pageSize: 2, pageToken }), { code: 'PAGE_TOKEN_INVALID' });
  const { nextPageToken: pageToken } = await listHeldLogins(own.store, { loginId: '', pageSize: 2, pageToken: '' });
  const ofOne = { loginId: names[1] ?? '', pageSize: 2, pageToken };
  await t.throwsAsync(listHeldLogins(own.store, ofOne), { code: 'PAGE_TOKEN_INVALID' }, 'it would look as if it were free');
});
