import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { notFound } from '#platform/errors.ts';
import { openApiDocument } from '../openapi.ts';
import { type Route, route } from '../route.ts';

/** Only this page runs scripts: ours and Swagger UI's, both from here. No other host is ever asked. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Musubi API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const START = `window.ui = SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });
`;

/** What the page loads; anything else of the package is not served. */
const ASSETS: Record<string, { type: string; read: () => Promise<string | Buffer> }> = {
  'swagger-ui.css': { type: 'text/css; charset=utf-8', read: () => ofSwaggerUi('swagger-ui.css') },
  'swagger-ui-bundle.js': { type: 'text/javascript; charset=utf-8', read: () => ofSwaggerUi('swagger-ui-bundle.js') },
  'favicon-32x32.png': { type: 'image/png', read: () => ofSwaggerUi('favicon-32x32.png') },
  'start.js': { type: 'text/javascript; charset=utf-8', read: async () => START },
};

const ofSwaggerUi = (file: string): Promise<Buffer> => readFile(new URL(import.meta.resolve(`swagger-ui-dist/${file}`)));

const CACHED = { 'Cache-Control': 'public, max-age=3600' };

/** The routes that tell of the others: the OpenAPI document and a page to read it, with no outside network. */
export function documentRoutes(routes: readonly Route[], publicUrl: string | undefined): Route[] {
  const about = { method: 'GET', tag: 'Documents', public: true } as const;
  let document: ReturnType<typeof openApiDocument> | undefined;

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
      responses: { 200: { description: 'The document', schema: z.looseObject({ openapi: z.string() }) } },
      async handle() {
        document ??= openApiDocument([...routes, ...own], publicUrl);
        return { status: 200 as const, body: { ...document } };
      },
    }),
    route({
      ...about,
      path: '/docs',
      operationId: 'getDocs',
      summary: 'A page to read and try this API',
      responses: { 200: { description: 'The page', schema: z.string(), contentType: 'text/html' } },
      handle: async () => ({
        status: 200 as const,
        body: PAGE,
        headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': PAGE_POLICY, ...CACHED },
      }),
    }),
    route({
      ...about,
      path: '/docs/{file}',
      operationId: 'getDocsFile',
      summary: 'What the page loads',
      params: { file: z.string().meta({ description: 'Its name', examples: ['swagger-ui.css'] }) },
      responses: {
        200: {
          description: 'The file',
          schema: z.union([z.string(), z.instanceof(Buffer).meta({ override: { type: 'string', format: 'binary' } })]),
          contentType: '*/*',
        },
      },
      problems: ['FILE_NOT_FOUND'],
      async handle({ params }) {
        const asset = Object.hasOwn(ASSETS, params.file) ? ASSETS[params.file] : undefined;
        if (!asset) throw notFound('FILE_NOT_FOUND', 'There is no such file.');
        return { status: 200 as const, body: await asset.read(), headers: { 'Content-Type': asset.type, ...CACHED } };
      },
    }),
  ];
  return own;
}
