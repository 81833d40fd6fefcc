-- Events that were committed with the state they tell of. The columns are those of Debezium's outbox
-- event router, so that Debezium can relay them without a change here; it ignores the last three.
create table outbox (
  id uuid primary key,
  aggregatetype text not null,
  aggregateid text not null,
  type text not null,
  payload jsonb not null,
  version bigint not null,
  traceparent text not null default '',
  created_at timestamptz not null default now()
);
create index outbox_created_at on outbox (created_at);

-- Only new rows are news; pruning deletes silently.
create publication outbox_pub for table outbox with (publish = 'insert');

-- Which replication slots have every row that was written before they existed (services/relay).
create table outbox_slots (
  slot text primary key,
  filled_at timestamptz not null default now()
);
