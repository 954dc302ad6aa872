-- What an operator has made on the server, as its superuser.
create role analysts;
create role `writers;drop`;
grant analysts to `writers;drop`;
create user `O'Neil`@'%' identified by 'it''s a "secret" \\ one' require ssl with max_user_connections 3 password expire interval 90 day;
create user auditor@'10.%' identified via mysql_native_password using '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19' or unix_socket account lock;
grant analysts to `O'Neil`@'%' with admin option;
set default role analysts for `O'Neil`@'%';
grant select on genomes.* to analysts;
grant select (id, name), insert (name) on genomes.genes to auditor@'10.%';
grant select on genomes.a_view to auditor@'10.%' with grant option;
grant execute on procedure genomes.fill to auditor@'10.%';
grant execute on function genomes.twice to analysts;
grant select on genomes.lists to public;
grant process on *.* to auditor@'10.%';
