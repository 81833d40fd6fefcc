import type { Peer } from '#platform/grpc/client.ts';
import type { Logger } from '#platform/process/log.ts';
import type { WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { Attempts } from './attempts.ts';
import type { Audit } from './audit/audit.ts';
import type { DeviceCookies } from './device-cookies.ts';
import type { Passwords } from './passwords.ts';
import type { Permits } from './permits.ts';
import type { Policies } from './policies.ts';
import type { RefreshTokens } from './refresh-tokens.ts';
import type { Sessions } from './sessions.ts';
import type { Store } from './store.ts';
import type { Pseudonyms, Vault } from './vault.ts';

/** What the commands of the Auth service work with. */
export interface Auth {
  store: Store;
  sessions: Sessions;
  passwords: Passwords;
  attempts: Attempts;
  accessTokens: AccessTokens;
  refreshTokens: RefreshTokens;
  deviceCookies: DeviceCookies;
  /** Seals the addresses from where sessions were begun. */
  addresses: Vault;
  /** What the sources are called that a member has logged in from. */
  sourceNames: Pseudonyms;
  /** What logins are called in the log. */
  loginNames: Pseudonyms;
  policies: Policies;
  /** Whoever holds the sockets of members. */
  sockets: Pick<Peer<WebsocketServiceService>, 'closeSockets'>;
  permits: Permits;
  audit: Audit;
  log: Logger;
}
