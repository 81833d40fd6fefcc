import { readFile } from 'node:fs/promises';
import type { Context } from 'koa';
import { z } from 'zod';
import { notFound } from '#platform/errors.ts';
import { Representation } from '#platform/http/representation.ts';
import { type Route, route } from '../http/route.ts';
import { openApiDocument, serverOf } from '../openapi/document.ts';

/** Only this page runs scripts: ours and Swagger UI's, both from here. It asks no host but this, under whichever name it is opened, and the public one. */
const pagePolicy = (publicUrl: string | undefined): string => {
  const server = serverOf(publicUrl);
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self'${URL.canParse(server) ? ` ${new URL(server).origin}` : ''}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
};

const ours = (name: string) => () => readFile(new URL(`../openapi/docs/${name}`, import.meta.url));
const ofSwaggerUi = (name: string) => () => readFile(new URL(import.meta.resolve(`swagger-ui-dist/${name}`)));

/** What the page loads; nothing more of the package is served. */
const pageFiles = (): Record<string, Representation> => ({
  'swagger-ui.css': new Representation({ 'Content-Type': 'text/css; charset=utf-8' }, ofSwaggerUi('swagger-ui.css')),
  'swagger-ui-bundle.js': new Representation({ 'Content-Type': JAVASCRIPT }, ofSwaggerUi('swagger-ui-bundle.js')),
  'favicon-32x32.png': new Representation({ 'Content-Type': 'image/png' }, ofSwaggerUi('favicon-32x32.png')),
  'start.js': new Representation({ 'Content-Type': JAVASCRIPT }, ours('start.js')),
});
const JAVASCRIPT = 'text/javascript; charset=utf-8';

async function answerWith(document: Representation, ctx: Context) {
  ctx.vary('Accept-Encoding');
  const { bytes, headers } = await document.variantFor(ctx.req);
  return { status: 200 as const, body: bytes, headers };
}

const REVALIDATED = { ETag: 'For If-None-Match' };

/** The routes that tell of the others: the OpenAPI document and a page to read it, with no outside network. */
export function documentRoutes(routes: readonly Route[], publicUrl: string | undefined): Route[] {
  const about = { method: 'GET', tag: 'Documents', public: true } as const;
  const document = new Representation({ 'Content-Type': 'application/json; charset=utf-8' }, () =>
    JSON.stringify(openApiDocument([...routes, ...own], publicUrl)),
  );
  const files = pageFiles();
  const page = new Representation(
    { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': pagePolicy(publicUrl) },
    ours('page.html'),
  );

  const own = [
    route({
      ...about,
      path: '/',
      operationId: 'start',
      summary: 'Leads to the documentation',
      responses: { 302: { description: 'To /docs', headers: { Location: '/docs' } } },
      handle: async () => ({ status: 302 as const, headers: { Location: '/docs' } }),
    }),
    route({
      ...about,
      path: '/openapi.json',
      operationId: 'getOpenApi',
      summary: 'This API as an OpenAPI 3.1 document',
      responses: {
        200: { description: 'The document', schema: z.looseObject({ openapi: z.string() }), headers: REVALIDATED },
      },
      handle: ({ ctx }) => answerWith(document, ctx),
    }),
    route({
      ...about,
      path: '/docs',
      operationId: 'getDocs',
      summary: 'A page to read and try this API',
      responses: {
        200: { description: 'The page', schema: z.string(), contentType: 'text/html', headers: REVALIDATED },
      },
      handle: ({ ctx }) => answerWith(page, ctx),
    }),
    route({
      ...about,
      path: '/docs/{file}',
      operationId: 'getDocsFile',
      summary: 'What the page loads',
      params: {
        file: z
          .string()
          .regex(/^[\w.-]{1,100}$/)
          .meta({ description: 'Its name', examples: ['swagger-ui.css'] }),
      },
      responses: {
        200: {
          description: 'The file',
          schema: z.string().meta({ format: 'binary' }),
          contentType: '*/*',
          headers: REVALIDATED,
        },
      },
      problems: ['FILE_NOT_FOUND'],
      async handle({ params, ctx }) {
        const file = Object.hasOwn(files, params.file) ? files[params.file] : undefined;
        if (!file) throw notFound('FILE_NOT_FOUND');
        return await answerWith(file, ctx);
      },
    }),
  ];
  return own;
}
