-- What a server is, as lines of text that are equal for equal servers: what is in the catalogues, asked in another way than the tool for
-- backups does.
set session group_concat_max_len = 1000000;
select concat_ws(' ', 'database', schema_name, default_character_set_name, default_collation_name, schema_comment) from information_schema.schemata where schema_name like 'genomes%' order by 1;
select concat_ws(' ', 'table', table_schema, table_name, table_type, engine, row_format, table_collation, create_options, table_comment, auto_increment) from information_schema.tables where table_schema like 'genomes%' order by 1;
select concat_ws(' ', 'column', table_schema, table_name, ordinal_position, column_name, column_type, coalesce(column_default, '-'), is_nullable, character_set_name, collation_name, column_key, extra, is_generated, generation_expression, column_comment)
    from information_schema.columns where table_schema like 'genomes%' order by 1;
select concat_ws(' ', 'index', table_schema, table_name, index_name, seq_in_index, column_name, non_unique, collation, sub_part, nullable, index_type, ignored) from information_schema.statistics where table_schema like 'genomes%' order by 1;
select concat_ws(' ', 'constraint', constraint_schema, table_name, constraint_name, constraint_type) from information_schema.table_constraints where constraint_schema like 'genomes%' order by 1;
select concat_ws(' ', 'check', constraint_schema, table_name, constraint_name, check_clause) from information_schema.check_constraints where constraint_schema like 'genomes%' order by 1;
select concat_ws(' ', 'foreign key', constraint_schema, table_name, constraint_name, referenced_table_name, update_rule, delete_rule) from information_schema.referential_constraints where constraint_schema like 'genomes%' order by 1;
select concat_ws(' ', 'partition', table_schema, table_name, partition_name, subpartition_name, partition_method, partition_expression, partition_description, partition_comment, subpartition_method, subpartition_expression)
    from information_schema.partitions where table_schema like 'genomes%' and partition_name is not null order by 1;
select concat_ws(' ', 'view', table_schema, table_name, definer, security_type, check_option, algorithm, view_definition) from information_schema.views where table_schema like 'genomes%' order by 1;
select concat_ws(' ', 'routine', routine_schema, routine_type, routine_name, dtd_identifier, definer, security_type, sql_mode, is_deterministic, sql_data_access, routine_comment, character_set_client, routine_definition) from information_schema.routines
    where routine_schema like 'genomes%' order by 1;
select concat_ws(' ', 'parameter', specific_schema, specific_name, ordinal_position, parameter_mode, parameter_name, dtd_identifier) from information_schema.parameters where specific_schema like 'genomes%' order by 1;
select concat_ws(' ', 'trigger', trigger_schema, trigger_name, event_manipulation, event_object_table, action_timing, action_order, definer, sql_mode, action_statement) from information_schema.triggers where trigger_schema like 'genomes%' order by 1;
select concat_ws(' ', 'event', event_schema, event_name, definer, time_zone, event_type, interval_value, interval_field, sql_mode, starts, ends, status, on_completion, event_comment, event_definition) from information_schema.events where event_schema like 'genomes%' order by 1;
select concat_ws(' ', 'sequence', next_not_cached_value, minimum_value, maximum_value, start_value, increment, cache_size, cycle_option, cycle_count) from genomes.counters;
select concat_ws(' ', 'sequence', next_not_cached_value, minimum_value, maximum_value, start_value, increment, cache_size, cycle_option, cycle_count) from genomes.untouched;
select concat_ws(' ', 'history', id, t, row_start, row_end) from genomes.versions for system_time all order by 1;
select concat_ws(' ', 'history', id, t, began, ended) from genomes.periods for system_time all order by 1;
select concat_ws(' ', 'account', user, host, json_remove(priv, '$.password_last_changed', '$.account_locked')) from mysql.global_priv where user not like 'mydb%' and user not in ('genomes', 'mariadb.sys') order by 1;
select concat_ws(' ', 'role', host, user, role, admin_option) from mysql.roles_mapping where user not like 'mydb%' order by 1;
select concat_ws(' ', 'rights', grantee, table_schema, privilege_type, is_grantable) from information_schema.schema_privileges where grantee not like '%mydb%' and grantee not like '%mariadb.sys%' order by 1;
select concat_ws(' ', 'rights', grantee, table_schema, table_name, privilege_type, is_grantable) from information_schema.table_privileges where grantee not like '%mydb%' and grantee not like '%mariadb.sys%' order by 1;
select concat_ws(' ', 'rights', grantee, table_schema, table_name, column_name, privilege_type, is_grantable) from information_schema.column_privileges where grantee not like '%mydb%' order by 1;
select concat_ws(' ', 'rights', host, db, user, routine_name, routine_type, proc_priv) from mysql.procs_priv order by 1;
