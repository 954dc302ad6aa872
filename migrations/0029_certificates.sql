-- Until when the certificate that an instance's server shows is good, and the key of the authority that has issued it. Both follow from
-- the sealed secret and are null until they were looked up there.
alter table instances
    add column certificate_until timestamptz,
    add column certificate_of    text;
insert into operation_kinds values ('renew');
-- What a server gets with its next certificate, until it was measured to answer with it.
alter table secrets
    drop constraint secrets_kind_check,
    add constraint secrets_kind_check check (kind in ('server', 'server_next', 'owner', 'init_sql', 'next', 'source') or kind like 'account:%');
