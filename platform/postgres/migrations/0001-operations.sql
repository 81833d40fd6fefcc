-- What each step of a saga did here, so that a repeat answers the same and an undo knows what to take back.
create table operations (
  id text primary key,
  command text not null,
  -- done: applied once and for all. undone: taken back, or refused before it came (a tombstone).
  state text not null check (state in ('done', 'undone')),
  result json,
  undo json,
  at timestamptz not null default now()
);
create index operations_at on operations (at);
