import Router from '@koa/router';
import Koa from 'koa';
import { Pool } from 'pg';
import { allOf, membersOf } from '../services/query/store.ts';

/**
 * The baseline of `npm run bench reads`, as a process of its own: Koa and the statements that Query sends, and nothing else, as one
 * writes it first. No permission, no log, no trace, no check of what comes in or goes out.
 *
 * `node bench/bare-koa.ts DATABASE_URL` prints its port.
 */
const pool = new Pool({ connectionString: process.argv[2], max: 8 });
const member = membersOf([]).text;
const list = allOf({ seen: { kind: { $case: 'always', value: true } }, roleId: '', after: undefined, limit: 0 }).text;

const router = new Router();
router.get('/v1/members/:memberId', async (ctx) => {
  const { rows } = await pool.query(member, [[ctx.params.memberId]]);
  ctx.body = rows[0];
});
router.get('/v1/members', async (ctx) => {
  const { rows } = await pool.query(list, [Number(ctx.query.pageSize) + 1]);
  ctx.body = { items: rows.slice(0, -1) };
});

const server = new Koa().use(router.routes()).listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : address}\n`);
});
