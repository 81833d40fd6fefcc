import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Secret } from '#platform/process/config.ts';
import type { Clock } from './clock.ts';
import { deriveKey } from './vault.ts';

const PREFIX = 'musubi_dc1';
const FORM = new RegExp(`^${PREFIX}\\.([A-Za-z0-9_-]{22})\\.(\\d{1,12})\\.([A-Za-z0-9_-]{43})$`);

/** Seconds that a device cookie is good for after a login: as long as browsers keep one at most. */
export const DEVICE_COOKIE_SECONDS = 400 * 24 * 3_600;

/**
 * Device cookies (https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies): a login
 * leaves `musubi_dc1.<device>.<expiry>.<signature>` with the client. It proves that this client has logged in as this
 * member before: it opens nothing. Guesses of those who have none do not count against it.
 */
export class DeviceCookies {
  readonly #key: Buffer;
  readonly #clock: Clock;

  constructor(masterKey: Secret, clock: Clock) {
    this.#key = deriveKey(masterKey, 'device cookies');
    this.#clock = clock;
  }

  /** @param device keeps its name from one login to the next */
  issue(memberId: string, device: string = randomBytes(16).toString('base64url')): string {
    const expiry = String(this.#seconds() + DEVICE_COOKIE_SECONDS);
    return [PREFIX, device, expiry, this.#sign(memberId, device, expiry).toString('base64url')].join('.');
  }

  /** The device of a cookie that a login of this member left; undefined for any other, and for one that is too old. */
  deviceOf(cookie: string, memberId: string): string | undefined {
    const [, device, expiry = '', signature = ''] = FORM.exec(cookie) ?? [];
    if (device === undefined || Number(expiry) <= this.#seconds()) return undefined;
    return timingSafeEqual(Buffer.from(signature, 'base64url'), this.#sign(memberId, device, expiry)) ? device : undefined;
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1_000);
  }

  #sign(memberId: string, device: string, expiry: string): Buffer {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([memberId, device, expiry]))
      .digest();
  }
}
