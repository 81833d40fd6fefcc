-- Every word after a line end, so that one pattern finds what begins with a word.
update members set search = E'\n' || replace(search, ' ', E'\n') where search is not null;
