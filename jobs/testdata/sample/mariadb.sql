-- A database with what tends to get lost, as its owner; the second one is genomes_Büch er.
set names utf8mb4;
set time_zone = '+02:00';

-- Every type of value.
create table every_type (
    id int unsigned not null auto_increment primary key,
    a_tiny tinyint, a_small smallint unsigned, a_medium mediumint, a_big bigint unsigned, zeros int(8) zerofill, a_number decimal(65, 30), a_float float, a_double double, a_bit bit(13),
    a_date date, a_time time(6), a_datetime datetime(6), a_timestamp timestamp(3) null, a_year year,
    a_char char(5), a_varchar varchar(50) character set latin1, a_binary binary(4), a_varbinary varbinary(20), a_text text character set utf8mb4 collate utf8mb4_bin, a_blob mediumblob, a_long longblob,
    an_enum enum('a', 'ü', 'it''s'), a_set set('x', 'y', 'z'), a_json json, a_uuid uuid, an_inet6 inet6, an_inet4 inet4,
    a_point point, a_shape geometry, yes boolean, hidden int invisible default 7,
    constraint `not too big` check (a_tiny < 100)
) auto_increment = 4711 comment 'alle "Arten"; it''s';
insert into every_type (a_tiny, a_small, a_medium, a_big, zeros, a_number, a_float, a_double, a_bit, a_date, a_time, a_datetime, a_timestamp, a_year, a_char, a_varchar, a_binary, a_varbinary, a_text, a_blob,
    an_enum, a_set, a_json, a_uuid, an_inet6, an_inet4, a_point, a_shape, yes, hidden)
values (-128, 65535, -8388608, 18446744073709551615, 42, 12345678901234567890.123456789012345678901234567890, 1.17549e-38, 0.1e0 + 0.2e0, b'1010101010101', '1000-01-01', '-838:59:59.999999', '9999-12-31 23:59:59.999999',
    '2026-03-29 02:30:00.123', 2155, 'ab', 'Straße', x'00ff', x'0027005c0022000a', 'tab\t line\n backslash \\ quote '' 😀 \0 nul \Z', null,
    'it''s', 'x,z', '{"b": 1, "a": [1.50, null, "ü"]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2001:db8::1', '192.0.2.1', point(1.5, -2.5), st_geomfromtext('POLYGON((0 0,10 0,10 10,0 10,0 0))', 4326), true, 8),
    (null, null, null, null, null, null, null, null, null, null, null, null, null, null, '', '', '', '', '', '', 'a', '', null, null, null, null, null, null, false, null);
insert into every_type (a_blob) select unhex(group_concat(lpad(hex(seq), 2, '0') order by seq separator '')) from seq_0_to_255;
-- Larger than a packet once it is written as digits.
insert into every_type (a_long) values (repeat(unhex('00fe10270a'), 7 * 1024 * 1024));
set sql_mode = concat(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO');
insert into every_type (id, a_text) values (0, 'the id is zero');

-- Tables of every sort.
create table empty (x int);
create table `Sträuße und ``Blumen``` (`größe` int, `select` text, `mit Blank` int);
insert into `Sträuße und ``Blumen``` values (1, 'rot', 1), (2, null, 2);
create table genes (
    id int auto_increment primary key, name varchar(40) not null, length int not null, half decimal(10, 1) generated always as (length / 2) stored, twice int as (length * 2) virtual invisible, words text,
    unique name (name), key long_ones (length desc, name(5)), fulltext (words), index (half) ignored
);
insert into genes (name, length, words) select concat('gene ', seq), seq, md5(seq) from seq_1_to_1000;
delete from genes where id = 1000; -- the next id is 1001 all the same
create table aria (id int primary key, t text) engine = Aria transactional = 1 page_checksum = 1;
insert into aria select seq, md5(seq) from seq_1_to_100;
create table myisam (id int not null, t text, key (id)) engine = MyISAM row_format = fixed delay_key_write = 1;
insert into myisam (id) select seq from seq_1_to_77;
create table packed (id int primary key, t text) row_format = compressed key_block_size = 8 character set latin1 collate latin1_german2_ci;
insert into packed values (1, 'Ärger');
create table versions (id int primary key, t text) with system versioning;
insert into versions values (1, 'first'), (2, 'second');
update versions set t = 'third' where id = 1;
delete from versions where id = 2;
create table periods (id int, t text, began timestamp(6) generated always as row start, ended timestamp(6) generated always as row end, period for system_time (began, ended), valid_from date, valid_to date,
    period for validity (valid_from, valid_to), unique (id, validity without overlaps)) with system versioning;
insert into periods (id, t, valid_from, valid_to) values (1, 'a', '2026-01-01', '2026-02-01');
update periods set t = 'b';

-- Partitions.
create table parts (day date not null, n int, primary key (day, n)) partition by range columns (day) subpartition by hash (n) subpartitions 2
    (partition early values less than ('2026-01-01'), partition late values less than (maxvalue) comment = 'the rest');
insert into parts select date '2025-12-01' + interval seq day, seq from seq_1_to_100;
create table lists (kind int, n int) partition by list (kind) (partition a values in (1, 2), partition other default);
insert into lists values (1, 1), (7, 2);

-- Constraints: a circle of keys, cascades.
create table hens (id int primary key, egg int);
create table eggs (id int primary key, hen int, constraint egg_hen foreign key (hen) references hens (id) on delete cascade on update set null);
insert into hens values (1, 10), (2, 20);
insert into eggs values (10, 1), (20, 2);
alter table hens add constraint hen_egg foreign key (egg) references eggs (id);
create table tree (id int primary key, parent int references tree (id));
insert into tree values (1, null), (2, 1), (3, 2);

-- Sequences with positions.
create sequence counters start with 100 increment by -5 minvalue -1000 maxvalue 200 cycle cache 3;
select nextval(counters), nextval(counters);
create sequence untouched;

-- Views, also in the wrong order; routines, triggers and events.
create view a_view as select id, name from genes where length > 500 with cascaded check option;
create algorithm = merge sql security invoker view z_view as select * from a_view;
create or replace view a_on_z as select count(*) as n from z_view;
create function twice(i int) returns int deterministic no sql comment 'doubles; "really"' return 2 * i;
create procedure fill(in n int, out m int) modifies sql data sql security invoker begin declare i int default 0; while i < n do insert into empty values (i); set i = i + 1; end while; set m = i; end;
create table uses_function (i int, t int as (i + 1) persistent, d datetime default (now() + interval 1 day) on update current_timestamp);
insert into uses_function (i, d) values (1, '2026-01-01');
create trigger noted before insert on genes for each row set new.name = concat(new.name, ';');
create trigger noted_first before insert on genes for each row precedes noted begin if new.length < 0 then signal sqlstate '45000' set message_text = 'it''s below; zero'; end if; end;
create event nightly on schedule every 1 day starts '2026-01-01 03:00:00' on completion preserve comment 'cleans; "up"' do delete from empty;
create event asleep on schedule every 1 hour disable do insert into empty values (1);

-- A second database.
create database `genomes_Büch er` character set latin1 collate latin1_german1_ci comment 'der zweite';
create table `genomes_Büch er`.notes (id int auto_increment primary key, t varchar(100));
insert into `genomes_Büch er`.notes (t) select concat('Notiz ', seq, ' ä') from seq_1_to_333;
create view `genomes_Büch er`.across as select n.id, g.name from `genomes_Büch er`.notes n join genomes.genes g on g.id = n.id;
create database genomes_empty;
