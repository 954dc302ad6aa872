-- What an operator has made on the server, as its superuser: roles with memberships, settings and a comment.
create role "Analysts & Cö" nologin connection limit 7;
comment on role "Analysts & Cö" is E'who may read; isn''t shared\nCREATE ROLE mydb_admin;\n\\connect nowhere';
create role auditor login password 'md5c3e1e0a9e0a3dd2b7f5b1e1d6b1d2a11' valid until '2031-02-03 04:05:06+00';
create role "writers;drop" nologin;
create role "O'Neil" nologin;
comment on role mydb_probe is E'never in a backup\n;';
grant "Analysts & Cö" to auditor with admin option;
grant "writers;drop" to "Analysts & Cö";
grant auditor to genomes;
alter role auditor set work_mem = '9MB';
alter role auditor in database genomes set statement_timeout = '77s';
alter role "Analysts & Cö" set "mydb.note" = E'two\nlines; CREATE ROLE mydb_admin; \\ and a ''quote''';
create database "Lab Bücher" owner genomes;
alter database "Lab Bücher" connection limit 11;
comment on database "Lab Bücher" is 'the second one';
revoke all on database "Lab Bücher" from public;
grant connect on database "Lab Bücher" to "Analysts & Cö";
