-- Backups are also made monthly, or at the times of a cron expression of five fields.
alter table instances
    drop constraint instances_backup_check,
    add constraint instances_backup_check check (backup in ('daily', 'weekly', 'monthly', 'never') or backup ~ '^\S+( \S+){4}$');
