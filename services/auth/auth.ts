import type { Logger } from '#platform/process/log.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { Attempts } from './attempts.ts';
import type { DeviceCookies } from './device-cookies.ts';
import type { Passwords } from './passwords.ts';
import type { Policies } from './policies.ts';
import type { RefreshTokens } from './refresh-tokens.ts';
import type { Sessions } from './sessions.ts';
import type { Store } from './store.ts';
import type { Pseudonyms } from './vault.ts';

/** What the commands of the Auth service work with. */
export interface Auth {
  store: Store;
  sessions: Sessions;
  passwords: Passwords;
  attempts: Attempts;
  accessTokens: AccessTokens;
  refreshTokens: RefreshTokens;
  deviceCookies: DeviceCookies;
  /** What the sources are called that a member has logged in from. */
  sourceNames: Pseudonyms;
  /** What logins are called in the log. */
  loginNames: Pseudonyms;
  policies: Policies;
  log: Logger;
}
