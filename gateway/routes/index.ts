import type { Route } from '../http/route.ts';
import { authRoutes } from './auth.ts';
import { documentRoutes } from './documents.ts';
import { jobRoutes } from './jobs.ts';
import { memberRoutes } from './members.ts';
import { problemRoutes } from './problems.ts';

/** Every route of the gateway. @param publicUrl where clients reach us, which the OpenAPI document names */
export function allRoutes(publicUrl?: string): Route[] {
  const routes = [...authRoutes(publicUrl), ...memberRoutes, ...jobRoutes, ...problemRoutes];
  return [...routes, ...documentRoutes(routes, publicUrl)];
}
