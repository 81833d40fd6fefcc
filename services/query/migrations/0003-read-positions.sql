-- The last event that was read of each partition, so that a topic that was made again, without what it held, is noticed.
create table read_positions (
  topic       text not null,
  partition   int not null,
  last_offset bigint not null,
  event_id    text not null,
  -- When it was noticed that the topic was made again; null once its states were told again.
  remade_at   timestamptz,
  primary key (topic, partition)
);
