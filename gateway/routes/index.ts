import type { Route } from '../route.ts';
import { authRoutes } from './auth.ts';
import { documentRoutes } from './documents.ts';
import { jobRoutes } from './jobs.ts';
import { memberRoutes } from './members.ts';
import { problemRoutes } from './problems.ts';

/** Every route of the gateway. @param publicUrl the address that the OpenAPI document names */
export function allRoutes(publicUrl?: string): Route[] {
  const routes = [...authRoutes, ...memberRoutes, ...jobRoutes, ...problemRoutes];
  return [...routes, ...documentRoutes(routes, publicUrl)];
}
