import type { Served } from '#platform/grpc/server.ts';
import { toMongoError } from '#platform/mongo/database.ts';
import { serveState, type Told } from '#platform/state.ts';
import { loginEvent } from './events.ts';
import { readLogins, type Store } from './store.ts';

/** What Auth says of its present state: the members' logins, without anything that opens them, and who is to be erased. Its readers keep no versions. */
export function authState(store: Store): Served {
  const auth: Told = {
    read: (which) =>
      readLogins(store, which).then(
        (logins) => logins.map((login) => loginEvent('auth.login-told', login)),
        (error: unknown) => Promise.reject(toMongoError(error)),
      ),
  };
  const erasure: Told = {
    read: (which) => store.erasures.told(which).catch((error: unknown) => Promise.reject(toMongoError(error))),
  };
  return serveState({ auth, erasure });
}
