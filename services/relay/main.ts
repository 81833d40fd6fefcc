import { kafkaOptions } from '#platform/kafka/config.ts';
import { followBrokers } from '#platform/kafka/readiness.ts';
import { MongoSource } from '#platform/outbox/mongo-source.ts';
import { PostgresSource } from '#platform/outbox/postgres-source.ts';
import { RedisSource } from '#platform/outbox/redis-source.ts';
import { relay } from '#platform/outbox/relay.ts';
import type { OutboxSource } from '#platform/outbox/source.ts';
import type { Logger } from '#platform/process/log.ts';
import type { App } from '#platform/process/program.ts';
import { EVENTS_KEPT_DAYS, type Outbox } from '../catalogue.ts';
import { type Config, STORE_URLS } from './config.ts';

export { check, shape } from './config.ts';

/**
 * Publishes the events of the services' outboxes on Kafka, each source by itself: one that fails does not hold up
 * the others. Any number of relays may run; for each source one leads and the others stand by.
 */
export async function start({ config, log, lifecycle }: App<Config>): Promise<void> {
  const relays = config.MUSUBI_RELAY_SOURCES.map((setting) =>
    relay(open(setting, config, log), { ...kafkaOptions(config, EVENTS_KEPT_DAYS), log, lifecycle }),
  );
  followBrokers({ brokers: config.MUSUBI_KAFKA_BROKERS, clientId: 'relay', log }, lifecycle);
  lifecycle.onReady('outboxes', () => {
    if (!relays.some((works) => works())) throw new Error('none can be read, or Kafka is away');
  });
}

function open({ name, kind, place }: Outbox, config: Config, log: Logger): OutboxSource {
  const url = config[STORE_URLS[kind]];
  if (!url) throw new Error('the configuration was not checked');
  switch (kind) {
    case 'postgres':
      return new PostgresSource({ name, url, database: place, log });
    case 'mongodb':
      return new MongoSource({ name, url, database: place });
    case 'redis':
      return new RedisSource({ name, url, place, log });
  }
}
