package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/jobs"
)

// proving is a proof that an escrow key opens a backup.
type proving struct {
	identity, backup, by string
	readOnly             bool

	app    *App
	proof  jobs.Proof
	public string
}

func proveCommand() *cobra.Command {
	p := &proving{}
	cmd := &cobra.Command{
		Use: "prove --identity FILE", Short: "Prove that an escrow key opens a backup, on any machine that reaches the store", Args: cobra.NoArgs,
		Long: `Opens the newest backup that was made for the key, with nothing but that key, and reads every part to its end. Where a container engine
answers, the backup is also restored into a throw-away server and every table counted. The proof is recorded in the catalogue when
MYDB_DATABASE_URL is set. Neither the catalogue nor MYDB_KEY_FILE is needed for anything else.`,
		Example: "  mydb key prove --identity escrow.key\n  age --decrypt escrow.key.age | mydb key prove --identity -",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&p.identity, "identity", "", "file with the one private key, AGE-SECRET-KEY-1...; - reads it from standard input")
	cmd.Flags().StringVar(&p.backup, "backup", "", "id of the backup (default: the newest one that was made for the key)")
	cmd.Flags().StringVar(&p.by, "by", whoami(), "who proves it, for the record")
	cmd.Flags().BoolVar(&p.readOnly, "read-only", false, "read the backup, and do not restore it here")
	_ = cmd.MarkFlagRequired("identity") // there is such a flag
	return cmd
}

func (p *proving) run(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	if p.app, err = newApp(); err != nil {
		return err
	}
	defer p.app.Stop(ctx) //nolint:errcheck // nothing was started
	if err := p.open(ctx, in, out); err != nil {
		return err
	}
	m, err := p.proof.Find(ctx, p.backup)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The backup %s of %s (%s %s), made on %s, with nothing but the key %s:\n",
		m.BackupID, m.Instance.Name, m.Instance.Engine, m.Instance.Version, m.StartedAt.Format("2 January 2006, 15:04 UTC"), p.public)
	if err := p.proof.Read(ctx, m); err != nil {
		return fmt.Errorf("the backup CANNOT be opened with this key: %w", err)
	}
	record := core.EscrowProof{Escrow: p.public, BackupID: m.BackupID, Level: core.ProofRead, By: p.by}
	if err := p.restore(ctx, m, &record, out); err != nil {
		return fmt.Errorf("the backup was read, but its restore failed: %w", err)
	}
	return p.record(ctx, record, out)
}

// open reads the identity and opens the store.
func (p *proving) open(ctx context.Context, in io.Reader, out io.Writer) error {
	keys, err := readIdentity(p.identity, in)
	if err != nil {
		return err
	}
	p.public = keys.Public()[0]
	if err := p.app.isEscrow(p.public); err != nil {
		return err
	}
	store, err := p.app.openStore(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return errors.New("MYDB_STORE_URL is not set: set it to that of the site, with a key that may list and read")
	}
	p.proof = jobs.Proof{
		Store: store, Keys: keys, Engines: engines(), Catalogue: p.app.Catalogue, Log: p.app.Log,
		Tell: func(line string) { fmt.Fprintln(out, "✓ "+line) },
	}
	return nil
}

// readIdentity reads a file with one identity. What is in it appears in no error.
func readIdentity(path string, in io.Reader) (*crypt.Keyring, error) {
	var content []byte
	var err error
	if path == "-" {
		content, err = io.ReadAll(io.LimitReader(in, 1<<20))
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	keys, err := crypt.ParseKeyring(string(content))
	if err != nil {
		return nil, fmt.Errorf("--identity %s holds no identity of age: it has a line AGE-SECRET-KEY-1..., and a file that is encrypted itself is opened first, as in the example of -h (%w)", path, err)
	}
	if n := len(keys.Public()); n != 1 {
		return nil, fmt.Errorf("--identity %s holds %d identities: a proof is of one, alone", path, n)
	}
	return keys, nil
}

// isEscrow refuses keys of which a proof says nothing.
func (a *App) isEscrow(public string) error {
	if own, err := crypt.ReadKeyring(a.Config.KeyFile); a.Config.KeyFile != "" && err == nil && slices.Contains(own.Public(), public) {
		return errors.New("this is a key of MYDB_KEY_FILE. What is to be proven is that a key opens the backups that is kept elsewhere, when that file is lost")
	}
	if escrow := a.Policy.Backup.Escrow; len(escrow) > 0 && !slices.Contains(escrow, public) {
		return fmt.Errorf("the key %s is none of policy.backup.escrow in MYDB_CONFIG (%d keys): is it the right identity?", public, len(escrow))
	}
	return nil
}

// restore goes on to the higher level where it can.
func (p *proving) restore(ctx context.Context, m core.Manifest, record *core.EscrowProof, out io.Writer) error {
	if p.readOnly {
		return nil
	}
	runtime, err := p.app.openRuntime(ctx)
	if err != nil {
		return fmt.Errorf("MYDB_DOCKER_HOST is %q: %w", p.app.Config.DockerHost, err)
	}
	p.app.runtime = runtime
	receipt, err := p.proof.Restore(ctx, runtime, m)
	if errors.Is(err, jobs.ErrNoEngine) {
		record.Detail = "No container engine answered."
		fmt.Fprintf(out, "- It was not restored: %v. Set MYDB_DOCKER_HOST, or run this on a machine with an engine.\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	record.Level, record.Detail = core.ProofRestored, fmt.Sprintf("%d tables with %d rows on %s", receipt.Tables, receipt.Rows, receipt.Server)
	if receipt.NotCompared != "" {
		record.Detail += ", whose numbers were not compared: " + receipt.NotCompared
	}
	return nil
}

func (p *proving) record(ctx context.Context, record core.EscrowProof, out io.Writer) error {
	if p.app.Config.DatabaseURL == "" {
		fmt.Fprintln(out, "Proven, but NOT RECORDED: MYDB_DATABASE_URL is not set. Run this again with it, or `mydb check` goes on warning.")
		return nil
	}
	if err := p.app.connect(ctx); err != nil {
		return err
	}
	if err := p.app.upToDate(ctx); err != nil {
		return fmt.Errorf("proven, but not recorded: %w", err)
	}
	if err := p.app.catalogue(p.proof.Keys).ProveEscrow(ctx, record); err != nil {
		return fmt.Errorf("proven, but not recorded: %w", err)
	}
	fmt.Fprintf(out, "Recorded (%s) by %s.\n", record.Level, record.By)
	if record.Level != core.ProofRestored {
		fmt.Fprintln(out, "`mydb check` warns until a restore was proven.")
	}
	return nil
}
