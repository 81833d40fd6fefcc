alter table members add column locale text, add column time_zone text, add column attributes jsonb;

-- What members' attributes must be: one row, once somebody has set it.
create table member_schemas (
  id         text collate "C" primary key,
  version    bigint not null,
  gone_at    timestamptz,
  schema     jsonb,
  updated_at timestamptz(3)
);
