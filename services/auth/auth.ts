import type { AccessTokens } from './access-tokens.ts';
import type { Passwords } from './passwords.ts';
import type { Policies } from './policies.ts';
import type { RefreshTokens } from './refresh-tokens.ts';
import type { Store } from './store.ts';

/** What the commands of the Auth service work with. */
export interface Auth {
  store: Store;
  passwords: Passwords;
  accessTokens: AccessTokens;
  refreshTokens: RefreshTokens;
  policies: Policies;
}
