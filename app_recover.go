package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/migrations"
)

// recoverOptions are the flags of `mydb recover`.
type recoverOptions struct {
	from, identity                    string
	manifests, withoutCluster, dryRun bool
}

func recoverCommand() *cobra.Command {
	var o recoverOptions
	cmd := simple("recover", "Rebuild MyDB's own database from the store, on a new control plane", func(cmd *cobra.Command) error {
		return runRecover(cmd.Context(), cmd.OutOrStdout(), o)
	})
	cmd.Long = "Rebuilds MyDB's own database, which must be new and empty, from its newest backup in the store, and brings it up to date from what the store and\n" +
		"the cluster tell. No service is touched. Afterwards, MyDB removes, stops and heals nothing by itself until an administrator has accepted what differs."
	cmd.Example = "  mydb recover --dry-run    tell what would be found, and change nothing\n  mydb recover\n  mydb recover accept       let everything go on"
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "id of the backup to recover from (default: the newest good one)")
	f.BoolVar(&o.dryRun, "dry-run", false, "do everything, and take it back in the end")
	f.BoolVar(&o.manifests, "from-manifests", false, "use no backup of MyDB's own database, but what the manifests of all other backups and the cluster tell")
	f.BoolVar(&o.withoutCluster, "without-cluster", false, "do not ask the cluster what runs")
	f.StringVar(&o.identity, "identity", "", "identity file of an escrow key: MYDB_KEY_FILE is lost, and made anew from the backup")
	cmd.MarkFlagsMutuallyExclusive("from", "from-manifests")
	cmd.MarkFlagsMutuallyExclusive("identity", "from-manifests")
	cmd.AddCommand(simple("accept", "Accept a recovery, so that purges, ends of time, retention and healing go on", withCatalogue(acceptRecovery)))
	return cmd
}

func acceptRecovery(ctx context.Context, out io.Writer, a *App) error {
	r, err := a.Service.AcceptRecovery(ctx, core.Operator(whoami()))
	var ours *core.Error
	if errors.As(err, &ours) {
		return errors.New(ours.Message)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Accepted the recovery of %s, with %d differences. Purges, ends of time, retention and healing go on.\n", r.At.UTC().Format("2006-01-02 15:04 UTC"), len(r.Differences))
	return nil
}

func runRecover(ctx context.Context, out io.Writer, o recoverOptions) error {
	a, err := newApp()
	if err != nil {
		return err
	}
	defer a.Stop(ctx) //nolint:errcheck // nothing was started
	if err := needForRecovery(a.Config); err != nil {
		return err
	}
	if a.store, err = a.openStore(ctx); err != nil {
		return err
	}
	keys, err := a.recoveryKeys(ctx, out, o)
	if err != nil {
		return err
	}
	if err := a.connectOwner(ctx); err != nil {
		return err
	}
	a.Service = core.New(core.Options{
		DB: a.pool, Keys: keys, Engines: engines(), Catalogue: a.Catalogue, Policy: a.Policy, Log: a.Log,
		Ports: core.PortRange{First: a.Config.PortRange.First, Last: a.Config.PortRange.Last},
	})
	work := jobs.Recovering{
		DB: a.pool, Service: a.Service, Store: a.store, InstanceHost: a.Config.InstanceHost,
		Migrate: migrations.UpTo, Current: migrations.Current, Newest: migrations.Newest(),
		From: o.from, Manifests: o.manifests, DryRun: o.dryRun, By: whoami(), Tell: func(line string) { fmt.Fprintln(out, "· "+line) },
	}
	if !o.withoutCluster {
		if a.runtime, err = a.openRuntime(ctx); err != nil {
			return fmt.Errorf("MYDB_DOCKER_HOST is %q: %w", a.Config.DockerHost, err)
		}
		work.Runtime = a.runtime
	}
	done, err := jobs.Recover(ctx, work)
	if err != nil {
		return err
	}
	report(out, done)
	return a.endRecovery(ctx, out, o.dryRun)
}

// needForRecovery reports what a recovery cannot do without.
func needForRecovery(c config.Config) error {
	var errs []error
	if !c.StoreOn() {
		errs = append(errs, errors.New("MYDB_STORE_URL is not set: write where the backups are, as it was on the lost control plane"))
	}
	return errors.Join(append(errs, c.NeedServer())...)
}

// recoveryKeys reads the key file. One that is lost is made anew from a backup, with an escrow key.
func (a *App) recoveryKeys(ctx context.Context, out io.Writer, o recoverOptions) (*crypt.Keyring, error) {
	path := a.Config.KeyFile
	keys, err := crypt.ReadKeyring(path)
	lost := errors.Is(err, fs.ErrNotExist)
	switch {
	case o.identity == "" && lost:
		return nil, fmt.Errorf("MYDB_KEY_FILE is %q, and there is no such file: put the key file of the lost control plane there. If it is lost, too, name the identity file of "+
			"an escrow key with --identity", path)
	case o.identity == "" && err != nil:
		return nil, fmt.Errorf("MYDB_KEY_FILE is %q: %w", path, err)
	case o.identity == "":
		return keys, nil
	case !lost:
		return nil, fmt.Errorf("MYDB_KEY_FILE is %q, and that file exists: --identity is for when it is lost. Leave it out, or move the file away", path)
	}
	identity, err := os.ReadFile(o.identity)
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	content, err := jobs.TakeOverKey(ctx, a.store, o.from, string(identity))
	if err != nil {
		return nil, fmt.Errorf("--identity %s: %w", o.identity, err)
	}
	if !o.dryRun {
		if err := writeKey(path, content); err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "Made %s anew. Keep a copy off this machine.\n", path)
	}
	return crypt.ParseKeyring(content)
}

func writeKey(path, content string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("MYDB_KEY_FILE: %w", err)
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Close())
}

// connectOwner connects to the metadata database as the role that owns the schema.
func (a *App) connectOwner(ctx context.Context) (err error) {
	name, address := "MYDB_MIGRATE_URL", a.Config.MigrateURL
	if address == "" {
		name, address = "MYDB_DATABASE_URL", a.Config.DatabaseURL
	}
	if a.pool, err = pgxpool.New(ctx, address); err != nil {
		return fmt.Errorf("%s (its value is a secret) is not an address such as postgres://user:password@host:5432/mydb", name)
	}
	if err := a.pool.Ping(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// report tells what was found.
func report(out io.Writer, r core.Recovery) {
	from := "the manifests in the store"
	if r.BackupAt != nil {
		from = fmt.Sprintf("the backup %s of %s", r.BackupID, r.BackupAt.UTC().Format("2006-01-02 15:04 UTC"))
	}
	fmt.Fprintf(out, "\nRecovered from %s, with %d differences.\n", from, len(r.Differences))
	for _, d := range r.Differences {
		about := d.Database
		if about == "" {
			about = d.InstanceID
		}
		if about != "" {
			about += ": "
		}
		fmt.Fprintf(out, "  %-9s %s\n", d.Kind, about+strings.ReplaceAll(d.Message, "\n", " "))
	}
}

// endRecovery makes the queue's tables and gives the application its rights, which need no transaction with the rest.
func (a *App) endRecovery(ctx context.Context, out io.Writer, dryRun bool) error {
	if dryRun {
		fmt.Fprintln(out, "\nThis was a dry run: nothing was changed.")
		return nil
	}
	if err := migrations.Run(ctx, a.Config.MigrateURL, a.Config.DatabaseURL); err != nil {
		return fmt.Errorf("the catalogue is recovered, but not yet ready for the application; run `mydb migrate`: %w", err)
	}
	fmt.Fprintln(out, "\nStart MyDB now. Databases run as before. Nothing is removed, stopped, expired or healed by itself until an administrator accepts this, on the\n"+
		"page Recovery or with `mydb recover accept`.")
	return nil
}
