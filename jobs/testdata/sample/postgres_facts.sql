-- What a database is, as lines of text that are equal for equal databases: what is in the catalogues, asked in another way than the
-- tool for backups does. Not compared: who owns extensions, which only a superuser can restore.
with mine as (select oid, nspname from pg_namespace where nspname !~ '^pg_(toast|temp)|^pg_catalog$|^information_schema$'),
own as (select c.*, format('%I.%I', nspname, relname) as at from pg_class c join mine on mine.oid = relnamespace
    where not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')),
procs as (select p.*, p.oid::regprocedure::text as at from pg_proc p join mine on mine.oid = pronamespace
    where not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')),
sorted(acl, text) as (select distinct acl, (select string_agg(x::text, ', ' order by x::text) from unnest(acl) x)
    from (select relacl from pg_class union select attacl from pg_attribute union select proacl from pg_proc union select nspacl from pg_namespace union select typacl from pg_type
        union select datacl from pg_database union select defaclacl from pg_default_acl union select lomacl from pg_largeobject_metadata) a(acl))
select * from (
select 'schema ' || nspname || ' of ' || nspowner::regrole || ' ' || coalesce((select text from sorted where acl = nspacl), '') || ' ' || coalesce(obj_description(n.oid), '') from pg_namespace n join mine using (oid, nspname)
union all select concat_ws(' ', 'relation', at, relkind, relpersistence, relowner::regrole, relreplident, relrowsecurity, relforcerowsecurity, relispopulated, relispartition, reloptions, reloftype::regtype,
    (select text from sorted where acl = relacl), obj_description(oid, 'pg_class'), pg_get_expr(relpartbound, oid), case relkind when 'p' then pg_get_partkeydef(oid) end,
    (select string_agg(inhparent::regclass::text, ',' order by inhseqno) from pg_inherits where inhrelid = own.oid)) from own
union all select concat_ws(' ', 'column', at, row_number() over (partition by own.oid order by attnum), attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, coalesce(attstattarget, -1), attstorage, attcollation::regcollation,
    pg_get_expr(adbin, adrelid), (select text from sorted where acl = attacl), col_description(own.oid, attnum)) from own join pg_attribute on attrelid = own.oid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum where attnum > 0 and not attisdropped and relkind in ('r', 'v', 'm', 'p')
union all select 'index ' || pg_get_indexdef(indexrelid) || ' ' || indisvalid || indisreplident || indisclustered from pg_index join own on own.oid = indrelid
union all select concat_ws(' ', 'constraint', coalesce(conrelid::regclass::text, contypid::regtype::text), conname, convalidated, condeferrable, condeferred, pg_get_constraintdef(c.oid)) from pg_constraint c join mine on mine.oid = connamespace
    where contype <> 't'
union all select concat_ws(' ', 'trigger', tgenabled, pg_get_triggerdef(t.oid)) from pg_trigger t join own on own.oid = tgrelid where not tgisinternal
union all select 'rule ' || pg_get_ruledef(r.oid) from pg_rewrite r join own on own.oid = ev_class
union all select concat_ws(' ', 'policy', at, polname, polcmd, polpermissive, polroles::regrole[]::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy join own on own.oid = polrelid
union all select concat_ws(' ', 'routine', at, proowner::regrole, (select text from sorted where acl = proacl), obj_description(oid, 'pg_proc'), case when prokind <> 'a' then pg_get_functiondef(oid) end) from procs
union all select concat_ws(' ', 'type', t.oid::regtype, typtype, typowner::regrole, typnotnull, typdefault, (select text from sorted where acl = typacl), obj_description(t.oid, 'pg_type'),
    (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = t.oid)) from pg_type t join mine on mine.oid = typnamespace where typtype in ('e', 'd', 'r', 'm')
    and not exists (select from pg_depend d where d.objid = t.oid and d.deptype = 'e')
union all select concat_ws(' ', 'sequence', format('%I.%I', schemaname, sequencename), data_type, start_value, min_value, max_value, increment_by, cycle, cache_size, last_value,
    (select refobjid::regclass || '.' || refobjsubid from pg_depend where objid = format('%I.%I', schemaname, sequencename)::regclass and deptype in ('a', 'i') and refclassid = 'pg_class'::regclass)) from pg_sequences
union all select concat_ws(' ', 'extension', extname, extversion, extnamespace::regnamespace) from pg_extension
union all select concat_ws(' ', 'statistics', pg_get_statisticsobjdef(oid)) from pg_statistic_ext
union all select concat_ws(' ', 'operator', oprname, oprleft::regtype, oprright::regtype, oprcode, oprcom::regoperator) from pg_operator o join mine on mine.oid = oprnamespace
    where not exists (select from pg_depend d where d.objid = o.oid and d.deptype = 'e')
union all select concat_ws(' ', 'cast', castsource::regtype, casttarget::regtype, castcontext, castmethod) from pg_cast where castsource::regtype::text = 'public.address'
union all select concat_ws(' ', 'text search', cfgname, cfgowner::regrole, (select count(*) from pg_ts_config_map where mapcfg = c.oid)) from pg_ts_config c join mine on mine.oid = cfgnamespace
union all select concat_ws(' ', 'collation', collname, collprovider, collcollate) from pg_collation join mine on mine.oid = collnamespace
union all select concat_ws(' ', 'publication', pubname, pubinsert, pubupdate, pubdelete, (select string_agg(prrelid::regclass::text, ',' order by prrelid::regclass::text) from pg_publication_rel where prpubid = p.oid)) from pg_publication p
union all select concat_ws(' ', 'default rights', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, (select text from sorted where acl = defaclacl)) from pg_default_acl
union all select concat_ws(' ', 'large object', l.oid, lomowner::regrole, (select text from sorted where acl = lomacl), obj_description(l.oid, 'pg_largeobject'), md5(lo_get(l.oid))) from pg_largeobject_metadata l
union all select concat_ws(' ', 'database', datname, datdba::regrole, encoding, datcollate, datctype, datconnlimit, (select text from sorted where acl = datacl), shobj_description(oid, 'pg_database')) from pg_database
    where datname = current_database()
union all select concat_ws(' ', 'setting', coalesce(datname, '-'), case setrole when 0 then '-' else setrole::regrole::text end, array_to_string(array(select unnest(setconfig) order by 1), ' | '))
    from pg_db_role_setting left join pg_database on pg_database.oid = setdatabase
union all select concat_ws(' ', 'role', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil,
    case when rolname !~ '^(genomes|mydb_)' then rolpassword end, shobj_description(oid, 'pg_authid')) from pg_authid where rolname !~ '^(pg_|mydb_(admin|probe|replication))'
union all select concat_ws(' ', 'member', member::regrole, 'of', roleid::regrole, admin_option) from pg_auth_members where member::regrole::text !~ '^(pg_|mydb_)'
) facts(line) order by line collate "C"
