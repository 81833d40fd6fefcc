-- final: done so long ago that what its undo would need is no longer kept.
alter table operations drop constraint operations_state_check;
alter table operations add constraint operations_state_check check (state in ('done', 'final', 'undone'));

-- Both prunes look for the old ones of a state: without it they would pass over a year of records every hour.
create index operations_state_at on operations (state, at);
drop index operations_at;
