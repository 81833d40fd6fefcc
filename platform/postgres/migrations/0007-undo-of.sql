-- Whose personal data an undo holds: it goes when the member is erased.
alter table operations add column undo_of text;
create index operations_undo_of on operations (undo_of) where undo_of is not null;
-- What was kept before: nobody knows which of it is personal.
update operations set undo_of = undo->>'memberId' where state = 'done' and json_typeof(undo) = 'object';
-- erased: done, and of what it was about nothing is left, so there is nothing to undo.
alter table operations drop constraint operations_state_check;
alter table operations add constraint operations_state_check check (state in ('done', 'final', 'erased', 'undone'));
