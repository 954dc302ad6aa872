package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/evidence"
	"github.com/mydb-project/mydb/jobs"
)

func evidenceCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "evidence YEAR", Short: "Write a signed bundle of a year's records for an auditor, or check one", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			year, err := strconv.Atoi(args[0])
			if now := time.Now().UTC().Year(); err != nil || year < 2000 || year > now {
				return fmt.Errorf("the year is %q: write one such as %d", args[0], now)
			}
			out, _ := cmd.Flags().GetString("out")
			if out == "" {
				out = fmt.Sprintf("mydb-evidence-%d.zip", year)
			}
			return withCatalogue(func(ctx context.Context, say io.Writer, a *App) error { return a.writeEvidence(ctx, say, year, out) })(cmd)
		},
	}
	c.Flags().String("out", "", "the file to write, which must not exist yet (default: mydb-evidence-YEAR.zip)")
	verify := &cobra.Command{
		Use: "verify FILE", Short: "Check that a bundle is as it was made, by the key of MYDB_KEY_FILE or of --key", Args: cobra.ExactArgs(1),
		RunE: verifyEvidence,
	}
	verify.Flags().String("key", "", "the public key that the operator has told, in place of MYDB_KEY_FILE")
	c.AddCommand(verify, simple("key", "Print the public keys by which bundles of this site are checked, the newest first", printSigners))
	return c
}

// writeEvidence reads the audit trail whole first, so that the bundle can say whether it is as it was sealed.
func (a *App) writeEvidence(ctx context.Context, say io.Writer, year int, path string) (err error) {
	ring, err := crypt.ReadKeyring(a.Config.KeyFile)
	if err != nil {
		return fmt.Errorf("MYDB_KEY_FILE: %w", err)
	}
	signer, err := ring.Signer()
	if err != nil {
		return err
	}
	var anchors []core.Anchor
	if a.store != nil {
		if anchors, err = jobs.Anchors(ctx, a.store); err != nil {
			return err
		}
	}
	proof, err := a.Service.VerifyAudit(ctx, anchors)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	m, err := evidence.Write(ctx, a.pool, f, evidence.Bundle{
		Year: year, Site: a.Config.PublicURL, Version: version, Now: time.Now(), Signer: signer, Proof: proof, Anchors: anchors,
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	for _, t := range m.Files {
		fmt.Fprintf(say, "%-20s %7d rows  %s\n", t.Name, t.Rows, t.About)
	}
	fmt.Fprintf(say, "Wrote %s, signed with %s. It names people and what they did: give it to the auditor alone.\n", path, m.PublicKey)
	if !m.AuditIntact {
		for _, problem := range proof.Problems {
			fmt.Fprintln(say, "WRONG", problem)
		}
		return errFailed
	}
	return nil
}

// signers are the public keys by which bundles are checked.
func signers(given string) (keys []ed25519.PublicKey, err error) {
	if given != "" {
		raw, err := base64.StdEncoding.DecodeString(given)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("--key is no public key such as `mydb evidence key` prints: 44 characters that end in =")
		}
		return []ed25519.PublicKey{raw}, nil
	}
	c, err := config.Load(os.Environ())
	if err != nil {
		return nil, err
	}
	if c.KeyFile == "" {
		return nil, errors.New("MYDB_KEY_FILE is not set: set it, or give the public key of the site with --key")
	}
	ring, err := crypt.ReadKeyring(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("MYDB_KEY_FILE: %w", err)
	}
	list, err := ring.Signers()
	for _, s := range list {
		keys = append(keys, s.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // what it is, by its documentation
	}
	return keys, err
}

func printSigners(cmd *cobra.Command) error {
	keys, err := signers("")
	for _, k := range keys {
		fmt.Fprintln(cmd.OutOrStdout(), evidence.Key(k))
	}
	return err
}

// verifyEvidence exits with 1 when the bundle is not as it was made.
func verifyEvidence(cmd *cobra.Command, args []string) error {
	given, _ := cmd.Flags().GetString("key")
	keys, err := signers(given)
	if err != nil {
		return err
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, problems, err := evidence.Verify(f, info.Size(), keys)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	for _, p := range problems {
		fmt.Fprintln(out, "WRONG", p)
	}
	if !m.AuditIntact {
		fmt.Fprintln(out, "WRONG When the bundle was made, the audit trail was not as it had been sealed; README.txt says what was found.")
	}
	if len(problems) > 0 || !m.AuditIntact {
		return errFailed
	}
	fmt.Fprintf(out, "The bundle is as it was made: evidence of %d, of %s, from %s, %d files.\n", m.Year, m.Site, m.MadeAt.Format(time.RFC3339), len(m.Files))
	return nil
}
