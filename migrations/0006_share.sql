-- What is shared with a person is looked for with every list.
create index accounts_of_person on accounts (person_id, instance_id) where revoked_at is null;
