package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/migrations"
)

func keyCommand() *cobra.Command {
	// Without a function of its own, cobra takes any word after it for fine.
	key := simple("key", "Make, rotate and prove the keys that open stored secrets and backups", (*cobra.Command).Help)
	key.AddCommand(
		keyNewCommand(),
		onKeyFile("public [FILE]", "Print the public keys of a key file (default: MYDB_KEY_FILE)", printPublic),
		onKeyFile("rotate [FILE]", "Put a new key first into a key file (default: MYDB_KEY_FILE), and keep the old ones", rotateKey),
		simple("reseal", "Seal the stored secrets anew with the first key of MYDB_KEY_FILE", withCatalogue(reseal)),
		simple("status", "Tell what each key of MYDB_KEY_FILE is still needed for, and which escrow keys are proven", withCatalogue(keyStatus)),
		proveCommand(),
	)
	return key
}

func keyNewCommand() *cobra.Command {
	return &cobra.Command{
		Use: "new FILE", Short: "Make a new key file, which must not exist yet", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := crypt.NewKey()
			if err != nil {
				return err
			}
			f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			if _, err := f.WriteString(content); err != nil {
				return errors.Join(err, f.Close())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Made %s. Keep a copy off this machine: without it, stored secrets and backups cannot be opened.\n", args[0])
			return f.Close()
		},
	}
}

// onKeyFile is a command on the key file that is named, or else on the one that is configured.
func onKeyFile(use, short string, do func(out io.Writer, path string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		path := os.Getenv("MYDB_KEY_FILE")
		if len(args) == 1 {
			path = args[0]
		}
		if path == "" {
			return errors.New("which key file? Name it, or set MYDB_KEY_FILE")
		}
		return do(cmd.OutOrStdout(), path)
	}}
}

func printPublic(out io.Writer, path string) error {
	keys, err := crypt.ReadKeyring(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, public := range keys.Public() {
		fmt.Fprintln(out, public)
	}
	return nil
}

func rotateKey(out io.Writer, path string) error {
	public, err := crypt.RotateKeyFile(path)
	if err != nil {
		return fmt.Errorf("%s was not changed: %w", path, err)
	}
	fmt.Fprintf(out, `Made a new first key in %s: %s
It seals from now on. What was there before stays in the file and opens what it has sealed (%d).

Next:
  1. Put the file wherever MYDB_KEY_FILE is read, and a copy off this machine.
  2. Restart the workers, then the portals.
  3. mydb key reseal
  4. mydb key status tells when an older key may be taken out of the file.
`, path, public[0], len(public)-1)
	return nil
}

// withCatalogue is a command on the catalogue.
func withCatalogue(do func(ctx context.Context, out io.Writer, a *App) error) func(*cobra.Command) error {
	return func(cmd *cobra.Command) error {
		ctx := cmd.Context()
		a, err := newApp()
		if err != nil {
			return err
		}
		if err := a.Config.NeedServer(); err != nil {
			return err
		}
		defer a.Stop(ctx) //nolint:errcheck // nothing was started
		if err := a.Open(ctx); err != nil {
			return err
		}
		if err := a.upToDate(ctx); err != nil {
			return err
		}
		return do(ctx, cmd.OutOrStdout(), a)
	}
}

// upToDate refuses to work on a schema that this version does not know.
func (a *App) upToDate(ctx context.Context) error {
	behind, err := migrations.Behind(ctx, a.pool)
	if err != nil {
		return fmt.Errorf("reach the metadata database (MYDB_DATABASE_URL): %w", err)
	}
	if behind != 0 {
		return fmt.Errorf("the metadata database is %d migrations behind this version: run `mydb migrate`", behind)
	}
	return nil
}

func reseal(ctx context.Context, out io.Writer, a *App) error {
	r, err := a.Service.Reseal(ctx, whoami())
	fmt.Fprintf(out, "%d stored secrets were sealed anew with the first key; %d were already.\n", r.Now, r.Before)
	if err == nil && r.Lost > 0 {
		err = fmt.Errorf("%d stored secrets are sealed with a key that is not in MYDB_KEY_FILE: put it back into the file, after the first, and run this again", r.Lost)
	}
	return err
}

func keyStatus(ctx context.Context, out io.Writer, a *App) error {
	own, err := a.catalogueKeys(ctx)
	if err != nil {
		fmt.Fprintf(out, "The backups of MyDB's own database could not be looked at, and may need an older key: %v\n", err)
	}
	status, err := a.Service.KeyStatus(ctx, own...)
	if err != nil {
		return err
	}
	for n, use := range status.Keys {
		fmt.Fprintf(out, "%s  %s\n", use.Public, roleOf(n, use))
		if n > 0 {
			printBackups(out, use.Backups)
		}
	}
	lost := status.Without
	if lost.Secrets > 0 || len(lost.Backups) > 0 {
		fmt.Fprintf(out, "NO KEY OF THE FILE OPENS %d stored secrets and %d good backups: put the key back that they were sealed with\n", lost.Secrets, len(lost.Backups))
		printBackups(out, lost.Backups)
	}
	states, err := a.Service.EscrowStates(ctx)
	if err != nil {
		return err
	}
	for _, e := range states {
		fmt.Fprintf(out, "%s  escrow: %s\n", e.Escrow, cmp.Or(e.Warning, proofLine(e)))
	}
	if lost.Secrets > 0 || len(lost.Backups) > 0 {
		return errFailed
	}
	return nil
}

// catalogueKeys tells who can open the backups of MyDB's own database.
func (a *App) catalogueKeys(ctx context.Context) ([]core.KeyBackup, error) {
	store, err := a.openStore(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	return jobs.CatalogueKeys(ctx, store)
}

func roleOf(n int, use core.KeyUse) string {
	what := fmt.Sprintf("%d stored secrets and %d good backups", use.Secrets, len(use.Backups))
	switch {
	case n == 0:
		return "seals; opens " + what
	case use.Secrets == 0 && len(use.Backups) == 0:
		return "is needed for nothing any more: it may be taken out of the file, everywhere. Keep a copy for as long as copies of the store are kept elsewhere"
	case use.Secrets > 0:
		return "is needed for " + what + ". Run: mydb key reseal"
	}
	return "is needed for " + what + ", until they have expired"
}

// printBackups lists the backups that keep a key needed, as far as that is of use.
func printBackups(out io.Writer, list []core.KeyBackup) {
	const most = 20
	for n, b := range list {
		if n == most {
			fmt.Fprintf(out, "    and %d more, the newest of %s\n", len(list)-most, list[len(list)-1].CreatedAt.UTC().Format(time.RFC3339))
			return
		}
		kept := ""
		if b.Pinned {
			kept = "  kept for good"
		}
		fmt.Fprintf(out, "    %s  %s  %s%s\n", b.ID, b.CreatedAt.UTC().Format(time.RFC3339), b.Database, kept)
	}
}

func proofLine(e core.EscrowState) string {
	return fmt.Sprintf("a restore of the backup %s was proven on %s by %s", e.Proof.BackupID, e.Proof.At.UTC().Format(time.DateOnly), e.Proof.By)
}

// whoami is who is at the terminal, as far as the machine knows.
func whoami() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if sudo := os.Getenv("SUDO_USER"); sudo != "" {
		name = sudo
	}
	host, _ := os.Hostname()
	return strings.TrimSuffix(name+"@"+host, "@")
}

// checkSecrets makes sure that what is stored can be opened.
func (a *App) checkSecrets(ctx context.Context) (string, error) {
	keys, err := crypt.ReadKeyring(a.Config.KeyFile)
	if err != nil || a.pool == nil || a.upToDate(ctx) != nil {
		return "", errors.New("cannot be looked at without the key file and an up-to-date metadata database")
	}
	status, err := a.catalogue(keys).KeyStatus(ctx)
	if err != nil {
		return "", err
	}
	total, older := status.Without.Secrets, 0
	for n, use := range status.Keys {
		total += use.Secrets
		if n > 0 {
			older += use.Secrets
		}
	}
	switch {
	case status.Without.Secrets > 0 || len(status.Without.Backups) > 0:
		return "", fmt.Errorf("%d of %d stored secrets, and %d good backups, were sealed with a key that is not in MYDB_KEY_FILE: put it back, after the first",
			status.Without.Secrets, total, len(status.Without.Backups))
	case older > 0:
		return "", warning(fmt.Sprintf("%d of %d are sealed with an older key: run `mydb key reseal`", older, total))
	}
	return fmt.Sprintf("all %d can be opened with the first key", total), nil
}

// catalogue is a service that only reads and writes the catalogue.
func (a *App) catalogue(keys *crypt.Keyring) *core.Service {
	return core.New(core.Options{
		DB: a.pool, Keys: keys, Catalogue: a.Catalogue, Policy: a.Policy, Log: a.Log, Backups: core.Backups{On: a.Config.StoreOn(), Escrow: a.Policy.Backup.Escrow},
	})
}

// checkEscrow warns of each escrow key with which no restore was proven lately.
func (a *App) checkEscrow(ctx context.Context) (string, error) {
	keys := a.Policy.Backup.Escrow
	if len(keys) == 0 {
		return "none: only MYDB_KEY_FILE opens the backups", nil
	}
	if a.pool == nil || a.upToDate(ctx) != nil {
		return "", warning("whether a restore with them was proven cannot be looked at without an up-to-date metadata database")
	}
	states, err := a.catalogue(nil).EscrowStates(ctx)
	if err != nil {
		return "", err
	}
	var wrong, well []string
	for _, e := range states {
		if e.Warning != "" {
			wrong = append(wrong, e.Warning)
			continue
		}
		well = append(well, e.Escrow+": "+proofLine(e))
	}
	if len(wrong) > 0 {
		return "", warning(strings.Join(append(wrong, well...), "\n"))
	}
	return strings.Join(well, "\n"), nil
}

// warning is what an operator should see to, although all works.
type warning string

func (w warning) Error() string { return string(w) }
