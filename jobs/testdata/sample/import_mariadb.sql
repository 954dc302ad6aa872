create table genes (
    id bigint auto_increment primary key, name varchar(50) not null unique, found date default '2026-01-01', length int,
    half decimal(10, 2) as (length / 2) stored, info json, key by_length (length)
) comment 'of the 2026 cohort; "rounded"'
//
insert into genes (name, length, info) select concat('gene ', seq), seq, json_object('i', seq) from seq_1_to_1000
//
create table every_type (
    id int primary key, raw blob, words text character set latin1, `größe` double, bits bit(9), moods set('happy', 'so ''so'''), mood enum('a', 'b\\c'),
    at timestamp(6) null, took time(3), place point, yes boolean default true
)
//
insert into every_type values
    (1, x'005c2722ff0a0d1a', 'Straße \\ '' " \n', 1.5e300, b'101010101', 'happy,so ''so''', 'b\\c', '2026-03-29 01:30:00.123456', '-838:59:59', point(1, 2), false),
    (2, '', '; -- /* # ', null, null, '', 'a', null, null, null, null)
//
create table `empty ``table``` (x int)
//
create table parts (day date not null, n int) partition by range (year(day)) (partition old values less than (2026), partition new values less than maxvalue)
//
insert into parts select date '2025-12-01' + interval seq day, seq from seq_1_to_100
//
create table child (id int primary key, gene bigint, constraint child_gene foreign key (gene) references genes (id) on delete cascade)
//
insert into child values (1, 1), (2, null)
//
create sequence counters start with 100 nocache
//
do next value for counters
//
create view long_genes as select id, name from genes where length > 500
//
create view longer_genes as select * from long_genes where name like 'gene 9%'
//
create function twice(i int) returns int deterministic return 2 * i
//
create procedure refill(in n int) begin declare i int default 0; while i < n do set i = i + 1; end while; end
//
create trigger noted before insert on child for each row begin if new.gene = 0 then set new.gene = null; end if; end
//
create event nightly on schedule every 1 day disable do delete from child where id < 0
