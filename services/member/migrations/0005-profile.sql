alter table members
  add column locale text,
  add column time_zone text,
  -- What the schema below has, or had when the member was changed last.
  add column attributes jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object');

-- What members' attributes must be, under the ID `member`. There is none until somebody sets it: then there are no attributes.
create table member_schemas (
  id             text primary key,
  schema         jsonb not null,
  -- What the job that holds it puts in place in the end.
  pending_schema jsonb,
  lock_holder    text,
  version        bigint not null check (version > 0),
  updated_at     timestamptz(3) not null,
  constraint schema_pending check ((pending_schema is null) = (lock_holder is null))
);
