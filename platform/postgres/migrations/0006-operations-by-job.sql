-- Operations of one job are found by the beginning of their IDs, which an index serves only where text is in the order of its bytes.
alter table operations alter column id type text collate "C";
