-- A database with what tends to get lost, as its owner. The table genes of the fixture is replaced.
drop table if exists genes;
create extension if not exists pg_trgm;
create extension hstore;
create extension citext;
create extension ltree;
create extension btree_gist;

create schema "Schema mit Blank" authorization genomes;
comment on schema "Schema mit Blank" is 'ein Kommentar';

-- Types of one's own.
begin;
create type mood as enum ('happy', 'sad', 'so "so"');
commit;
alter type mood add value 'thrilled' before 'happy';
commit; -- or the new value could not be used yet
create type address as (street text, "plz/ort" int, mood mood);
create domain positive as int default 3 not null check (value > 0);
create domain "Schema mit Blank".email as citext constraint looks_right check (value ~ '@');
create type span as range (subtype = float8, subtype_diff = float8mi);
create collation german (provider = libc, locale = 'C');

-- Every type of value.
create table every_type (
    id bigint generated always as identity (start 1000 increment by 7) primary key,
    a_small smallint, an_int int, a_big bigint, a_number numeric(30, 10), any_number numeric, a_real real, a_double double precision, an_amount money,
    a_char char(5), a_varchar varchar(20), a_text text collate "C", a_name name, a_byte "char", a_citext citext, bytes bytea,
    yes boolean, a_date date, a_time time(3), a_timetz timetz, a_timestamp timestamp, a_timestamptz timestamptz, an_interval interval,
    a_uuid uuid, a_json json, a_jsonb jsonb, an_xml xml, a_path jsonpath, an_hstore hstore, an_ltree ltree,
    a_point point, a_line line, an_lseg lseg, a_box box, a_way path, a_polygon polygon, a_circle circle,
    an_inet inet, a_cidr cidr, a_mac macaddr, a_mac8 macaddr8, bits bit(9), more_bits bit varying, words tsvector, query tsquery, an_lsn pg_lsn, an_oid oid,
    numbers int[], matrix text[][], from_zero int[], points point[], moods mood[], a_mood mood, a_positive positive, an_address address, addresses address[],
    an_int4range int4range, a_numrange numrange, a_tstzrange tstzrange, a_multirange datemultirange, a_span span, mail "Schema mit Blank".email
);
insert into every_type (a_small, an_int, a_big, a_number, any_number, a_real, a_double, an_amount, a_char, a_varchar, a_text, a_name, a_byte, a_citext, bytes,
    yes, a_date, a_time, a_timetz, a_timestamp, a_timestamptz, an_interval, a_uuid, a_json, a_jsonb, an_xml, a_path, an_hstore, an_ltree,
    a_point, a_line, an_lseg, a_box, a_way, a_polygon, a_circle, an_inet, a_cidr, a_mac, a_mac8, bits, more_bits, words, query, an_lsn, an_oid,
    numbers, matrix, from_zero, points, moods, a_mood, a_positive, an_address, addresses, an_int4range, a_numrange, a_tstzrange, a_multirange, a_span, mail)
values
    (-32768, 2147483647, -9223372036854775808, 12345678901234567890.0123456789, 'NaN', '-Infinity', 0.1::float8 + 0.2, -12.34, 'ab', 'Straße', E'tab\t newline\n backslash \\ quote '' 😀 \u4e2d', 'n', 'x', 'CiText',
     decode((select string_agg(lpad(to_hex(b), 2, '0'), '' order by b) from generate_series(0, 255) b), 'hex'),
     true, '4713-01-01 BC', '23:59:59.999', '04:05:06-08', 'infinity', '2026-03-29 02:30:00+02', '1 year -2 mons +3 days -04:05:06.789', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
     '{"b": 1,  "a": [1.50, null, "ü"], "b": 2}', '{"b": 1, "a": [1.50, null, "ü"]}', '<a b="c">ü<!-- x --></a>', '$.a[*] ? (@ > 1)', 'a=>1, "b c"=>NULL', 'top.science.astronomy',
     '(1.5,-2.5)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(1,2),3>', '192.168.1.5/24', '2001:db8::/32', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
     b'101010101', b'1', 'a:1A fat:2B,4C cat:5D', 'fat & (rat | !cat:A)', '16/B374D848', 4294967295,
     '{1,NULL,3}', '{{a,"b c"},{"d,e",NULL}}', '[0:2]={7,8,9}', array['(1,2)'::point, '(3,4)'], '{happy,"so \"so\""}', 'thrilled', 5, '("Haupt, Str.",8000,sad)', array[row('x', 1, 'happy')::address],
     '[1,10)', '(,3.5]', '["2026-01-01 00:00+00",infinity)', '{[2026-01-01,2026-02-01),[2026-03-01,2026-04-01)}', '[0.5,1.5]', 'A@example.org'),
    (null, null, null, null, null, 'NaN', '-0', null, '', '', '', '', '', '', '', false, 'infinity', null, null, '-infinity', null, '0', null, 'null', 'null', null, null, '', '', null, null, null, null, null, null, null,
     '::1', null, null, null, null, '', '', '', null, null, '{}', '{}', null, '{}', '{}', null, 1, null, '{}', 'empty', 'empty', null, '{}', 'empty', 'b@example.org');
insert into every_type (a_text, a_positive, mail) select string_agg(md5(i::text), ''), 1, 'long@example.org' from generate_series(1, 100000) i; -- 3 MB in one value

-- Tables of every sort.
create table genes (
    id bigint generated always as identity primary key, name text not null unique, found date default '2026-01-01', length positive,
    half numeric generated always as (length / 2.0) stored, tags text[], info jsonb, mood mood, raw bytea, at timestamptz default now()
);
insert into genes (name, length, tags, info, mood, raw)
    select 'gene ' || i, i, array['a', 'b' || i], jsonb_build_object('i', i), 'happy', decode(md5(i::text), 'hex') from generate_series(1, 1000) i;
comment on table genes is 'of the 2026 cohort';
comment on column genes.half is 'of the length; "rounded"';
create index genes_tags on genes using gin (tags);
create index genes_lower on genes (lower(name) text_pattern_ops) include (length) where mood = 'happy';
create index genes_trgm on genes using gist (name gist_trgm_ops);
create statistics genes_dependent (dependencies, ndistinct) on length, mood from genes;
alter table genes alter column name set statistics 500, alter column raw set storage external;
alter table genes replica identity full;
alter table genes set (fillfactor = 71, autovacuum_enabled = false);
create table empty (x int);
create table nothing_at_all ();
insert into nothing_at_all default values;
insert into nothing_at_all default values;
create table "Sträuße und ""Blumen""" ("größe" int, "select" text, "😀" int, "mit Blank" int);
insert into "Sträuße und ""Blumen""" values (1, 'rot', 1, 1), (2, null, null, 2);
create table "Schema mit Blank"."Tabelle.mit.Punkt" (id int primary key, "von" text);
insert into "Schema mit Blank"."Tabelle.mit.Punkt" values (1, E'\\N'), (2, '\.'), (3, E'\b\f\v');
create unlogged table fleeting as select i from generate_series(1, 50) i;
create table of_type of address;
insert into of_type values ('x', 1, 'sad');
create table parent (id int primary key, what text);
create table child (extra text) inherits (parent);
insert into parent values (1, 'p');
insert into child values (2, 'c', 'e'), (3, 'c', 'f');
create table wide (id int, dropped int, kept text);
insert into wide values (1, 2, 'three');
alter table wide drop column dropped;
alter table wide add column added text default 'later' not null;

-- Partitions, of partitions too.
create table parts (day date not null, n int, primary key (day, n)) partition by range (day);
create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01') partition by hash (n);
create table parts_2026_even partition of parts_2026 for values with (modulus 2, remainder 0);
create table parts_2026_odd partition of parts_2026 for values with (modulus 2, remainder 1);
create table parts_rest partition of parts default;
insert into parts select date '2025-12-01' + i, i from generate_series(1, 100) i;
create index parts_n on parts (n);
create table lists (kind text, n int) partition by list (kind);
create table lists_ab partition of lists for values in ('a', 'b');
create table lists_null partition of lists for values in (null);
insert into lists values ('a', 1), (null, 2);

-- Constraints: a circle of keys, exclusion, deferred, not valid.
create table hens (id int primary key, egg int);
create table eggs (id int primary key, hen int references hens on delete cascade deferrable initially deferred);
begin;
insert into hens values (1, 10), (2, 20);
insert into eggs values (10, 1), (20, 2);
commit;
alter table hens add constraint hens_egg foreign key (egg) references eggs on update cascade;
create table tree (id int primary key, parent int references tree);
insert into tree values (1, null), (2, 1), (3, 2);
create table bookings (room int, during tstzrange, exclude using gist (room with =, during with &&) where (room > 0));
insert into bookings values (1, '[2026-01-01,2026-01-02)'), (1, '[2026-01-02,2026-01-03)');
alter table wide add constraint wide_small check (id < 100) not valid;
alter table wide add constraint wide_once unique (id, kept) deferrable initially deferred;

-- Sequences with positions.
create sequence counters start 100 increment by -5 minvalue -1000 maxvalue 200 cycle cache 3;
select nextval('counters'), nextval('counters');
create sequence untouched as smallint;
create sequence of_wide owned by wide.id;
select setval('of_wide', 41, false);

-- Functions, procedures, aggregates, operators, casts, triggers, rules.
create function twice(i int) returns int language sql immutable parallel safe as 'select 2 * i';
create function twice(t text) returns text language sql as $$ select t || t $$;
create index on genes (twice(length));
create function note() returns trigger language plpgsql security definer set search_path = public as $$ begin insert into empty values (new.id); return new; end $$;
create trigger noted after insert on genes for each row when (new.name = 'never') execute function note();
create trigger asleep before update of length on genes for each statement execute function note();
alter table genes disable trigger asleep;
create constraint trigger later after insert on hens deferrable initially deferred for each row execute function note();
alter table hens disable trigger later;
create procedure reset(inout n int default 7) language plpgsql as $$ begin n := 0; end $$;
create function many(variadic numbers int[]) returns table (n int) language sql stable strict rows 5 cost 9 as 'select unnest(numbers)';
create aggregate total (int) (sfunc = int4pl, stype = int, initcond = '0');
create operator <+> (leftarg = int, rightarg = int, function = int4pl, commutator = <+>);
create cast (address as text) with inout as assignment;
create rule silent as on delete to of_type do instead nothing;
create text search configuration german_words (copy = pg_catalog.german);
comment on function twice(int) is 'doubles';

-- Views, one on the other; materialized ones with and without data.
create view happy as select * from genes where mood = 'happy';
create view happier with (security_barrier) as select id, name from happy where length > 500 with local check option;
create recursive view ancestors (id, depth) as select id, 0 from tree where parent is null union all select t.id, depth + 1 from tree t join ancestors a on t.parent = a.id;
create materialized view lengths as select mood, count(*) as n, sum(length) as total from genes group by mood;
create unique index on lengths (mood);
create materialized view not_yet as select * from genes with no data;

-- Large objects.
select lo_from_bytea(424201, 'a large object');
select lo_from_bytea(424202, decode(repeat('00ff10', 5000), 'hex'));
select lo_create(424203);
comment on large object 424201 is 'the first';

-- Who may do what.
create table secret (x int, owner name default current_user);
insert into secret values (7), (8);
alter table secret enable row level security;
alter table secret force row level security;
create policy own on secret as restrictive for select to auditor using (x > 7);
create policy everybody on secret using (true) with check (x > 0);
grant select (id, name), update (name) on genes to "Analysts & Cö" with grant option;
grant usage on schema "Schema mit Blank" to auditor;
grant all on all tables in schema "Schema mit Blank" to auditor;
grant usage on sequence counters to auditor;
revoke execute on function twice(int) from public;
grant execute on function twice(int) to auditor;
grant usage on type mood to auditor;
grant select on large object 424201 to auditor;
alter default privileges in schema public grant select on tables to "Analysts & Cö";
alter default privileges revoke execute on functions from public;
create publication changes for table genes, eggs with (publish = 'insert');
alter database genomes set search_path = public, "Schema mit Blank";
alter database genomes set datestyle = 'German';
alter database genomes set timezone = 'Asia/Kolkata';
comment on database genomes is 'the first one';
alter database genomes set default_transaction_read_only = on; -- "nobody changes this any more"
