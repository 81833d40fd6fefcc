import { z } from 'zod';
import type { TokenResponse } from '#proto/musubi/auth/v1/auth.ts';

/**
 * What a login leaves with the client, so that strangers who guess at a member's password never keep its devices out.
 * It goes to what looks at a password only, no script sees it, and it opens nothing.
 */
export const DEVICE_COOKIE = 'musubi_device';

/** The cookies of a route that looks at a password. */
export const deviceCookie = {
  [DEVICE_COOKIE]: z.string().optional().meta({
    description: 'As the `Set-Cookie` of an earlier login had it',
    example: 'musubi_dc1.q5pXyqOWvTqn2yHhIDJ7Gw.1799999999.2jmj7l5rSw0yVb_vlWAYkK-YBwk3q9xX4Xx0tXWq1Lk',
  }),
};

/** @param secure whether clients reach us by https: then the cookie goes over https only */
export function setDeviceCookie({ deviceCookie, deviceCookieExpiresIn }: TokenResponse, secure: boolean): string {
  const attributes = [`Max-Age=${deviceCookieExpiresIn}`, 'Path=/v1/auth', 'HttpOnly', 'SameSite=Strict'];
  return [`${DEVICE_COOKIE}=${deviceCookie}`, ...attributes, ...(secure ? ['Secure'] : [])].join('; ');
}
