import { ConfigError, type Secret } from '#platform/config.ts';
import { kafkaOptions } from '#platform/kafka/config.ts';
import type { Logger } from '#platform/log.ts';
import { MongoSource } from '#platform/outbox/mongo-source.ts';
import { PostgresSource } from '#platform/outbox/postgres-source.ts';
import { RedisSource } from '#platform/outbox/redis-source.ts';
import { relay } from '#platform/outbox/relay.ts';
import type { OutboxSource } from '#platform/outbox/source.ts';
import type { App } from '#platform/process.ts';
import type { Config, SourceSetting } from './config.ts';

export { shape } from './config.ts';

/**
 * Publishes the events of the services' outboxes on Kafka, each source by itself: one that fails does not hold up
 * the others. Any number of relays may run; for each source one leads and the others stand by.
 */
export async function start({ config, log, lifecycle }: App<Config>): Promise<void> {
  for (const setting of config.MUSUBI_RELAY_SOURCES) {
    relay(open(setting, config, log), {
      ...kafkaOptions(config),
      log,
      lifecycle,
    });
  }
}

function open({ name, kind, place }: SourceSetting, config: Config, log: Logger): OutboxSource {
  switch (kind) {
    case 'postgres':
      return new PostgresSource({ name, url: needed('MUSUBI_POSTGRES_URL', config), database: place, log });
    case 'mongodb':
      return new MongoSource({ name, url: needed('MUSUBI_MONGODB_URL', config), database: place, log });
    case 'redis':
      return new RedisSource({ name, url: needed('MUSUBI_REDIS_URL', config), stream: place, log });
  }
}

function needed(name: 'MUSUBI_POSTGRES_URL' | 'MUSUBI_MONGODB_URL' | 'MUSUBI_REDIS_URL', config: Config): Secret {
  const url = config[name];
  if (!url) throw new ConfigError(`${name} is missing: a source of MUSUBI_RELAY_SOURCES needs it`);
  return url;
}
