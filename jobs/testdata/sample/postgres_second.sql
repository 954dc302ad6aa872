-- A second database, whose owner has settings that a backup and a restore have to get along with.
create table notes (id serial primary key, text text);
insert into notes (text) select 'note ' || i from generate_series(1, 333) i;
select lo_from_bytea(77, 'of the second database');
alter database "Lab Bücher" set default_transaction_read_only = on;
alter database "Lab Bücher" set statement_timeout = '1ms';
alter database "Lab Bücher" set lock_timeout = '1ms';
alter database "Lab Bücher" set idle_in_transaction_session_timeout = '1ms';
alter database "Lab Bücher" set role = 'genomes';
alter database "Lab Bücher" set row_security = off;
alter database "Lab Bücher" set bytea_output = 'escape';
alter database "Lab Bücher" set standard_conforming_strings = off;
alter database "Lab Bücher" set client_min_messages = 'error';
