import test from 'ava';
import { PROGRAMS } from '../local/programs.ts';
import { ConfigError, loadConfig } from '../platform/process/config.ts';

// On a port that nobody knows, a service would be ready and never found.
for (const { name } of PROGRAMS.filter(({ ports }) => ports.grpc !== undefined)) {
  test(`${name} must be told where to listen`, async (t) => {
    const { shape } = await import(`../services/${name}/config.ts`);
    t.throws(() => loadConfig(shape, {}), { instanceOf: ConfigError, message: /^ {2}MUSUBI_GRPC_LISTEN: is missing$/m });
  });
}
