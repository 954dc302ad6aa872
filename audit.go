package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/policy"
	"github.com/mydb-project/mydb/jobs"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Prove the audit trail, or take old parts of it away"}
	verify := simple("verify", "Read the whole audit trail, and find rows that were changed, removed or put in another order", verifyAudit)
	verify.Flags().Bool("json", false, "print the proof as JSON")
	prune := simple("prune", "Take away what is older than a date, as the role of MYDB_MIGRATE_URL", pruneAudit)
	prune.Flags().String("before", "", "a date such as 2025-01-01; what is younger stays (needed where policy.audit.keep says nothing)")
	prune.Flags().String("export", "", "a file that the rows are written to first, as CSV (needed)")
	_ = prune.MarkFlagRequired("export")
	c.AddCommand(verify, prune)
	return c
}

// verifyAudit exits with 1 when the trail is not as it was sealed.
func verifyAudit(cmd *cobra.Command) error {
	a, err := newApp()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if err := a.Open(ctx); err != nil {
		return err
	}
	defer a.Stop(ctx) //nolint:errcheck // nothing was started
	var anchors []core.Anchor
	if a.store != nil {
		if anchors, err = jobs.Anchors(ctx, a.store); err != nil {
			return err
		}
	}
	began := time.Now()
	proof, err := a.Service.VerifyAudit(ctx, anchors)
	if err != nil {
		return err
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(proof); err != nil {
			return err
		}
	} else {
		tellProof(cmd.OutOrStdout(), proof, a.store != nil, time.Since(began))
	}
	if len(proof.Problems) > 0 {
		return errFailed
	}
	return nil
}

func tellProof(out io.Writer, p core.AuditProof, anchored bool, took time.Duration) {
	for _, problem := range p.Problems {
		fmt.Fprintln(out, "WRONG", problem)
	}
	fmt.Fprintf(out, "%d rows are as they were sealed, the newest of %s; %d anchors in the store fit (%.1f s).\n", p.Rows, p.Until.Format(time.RFC3339), p.Anchors, took.Seconds())
	if p.Unsealed > 0 {
		fmt.Fprintf(out, "%d rows are not sealed yet; a worker does that every second.\n", p.Unsealed)
	}
	if p.Pruned > 0 {
		fmt.Fprintf(out, "%d rows were taken away by operators because their time was over.\n", p.Pruned)
	}
	if !anchored {
		fmt.Fprintln(out, "There is no store of backups, so nothing outside of the database vouches for the trail.")
	}
}

// pruneAudit writes what goes to a file first.
func pruneAudit(cmd *cobra.Command) error {
	text, _ := cmd.Flags().GetString("before")
	file, _ := cmd.Flags().GetString("export")
	a, err := newApp()
	if err != nil {
		return err
	}
	before, err := pruneBefore(text, a.Policy.Audit.Keep, time.Now())
	if err != nil {
		return err
	}
	owner := a.Config.MigrateURL
	if owner == "" {
		return errors.New("MYDB_MIGRATE_URL is not set: only the role that owns the schema may take away from the audit trail")
	}
	ctx := cmd.Context()
	conn, err := pgx.Connect(ctx, owner)
	if err != nil {
		return fmt.Errorf("MYDB_MIGRATE_URL: %w", err)
	}
	defer conn.Close(ctx)
	by := "an operator"
	if u, err := user.Current(); err == nil {
		by = u.Username
	}
	var rows int64
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := exportAudit(cmd, tx, before, file); err != nil {
			return err
		}
		rows, err = core.PruneAudit(ctx, tx, before, by)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d rows were written to %s and taken away. Keep the file as long as your rules say.\n", rows, file)
	return nil
}

// pruneBefore is the moment before which entries go: what is said, or what the policy of the site says. It never goes below the policy.
func pruneBefore(said string, keep policy.Span, now time.Time) (time.Time, error) {
	latest := now.AddDate(0, -1, 0)
	if keep > 0 {
		latest = now.Add(-time.Duration(keep))
	}
	if said == "" && keep > 0 {
		return latest, nil
	}
	before, err := time.Parse(time.DateOnly, said)
	switch {
	case err != nil || keep == 0 && before.After(latest):
		return before, fmt.Errorf("--before is %q: write a date such as 2025-01-01, at least a month ago", said)
	case before.After(latest):
		return before, fmt.Errorf("--before is %s, and the policy of the site keeps the audit trail for %s: write %s or earlier", said, keep, latest.Format(time.DateOnly))
	}
	return before, nil
}

func exportAudit(cmd *cobra.Command, tx pgx.Tx, before time.Time, file string) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--export: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := csv.NewWriter(f)
	if err := w.Write([]string{"id", "at", "actor", "door", "address", "action", "database", "subject", "outcome", "data"}); err != nil {
		return err
	}
	rows, err := tx.Query(cmd.Context(), `select id::text, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, door, address, action, instance_id, subject, outcome, data::text
		from audit where at < $1 order by id`, before)
	if err != nil {
		return fmt.Errorf("read what is to go: %w", err)
	}
	line := make([]string, 10)
	into := make([]any, len(line))
	for i := range line {
		into[i] = &line[i]
	}
	if _, err := pgx.ForEachRow(rows, into, func() error { return w.Write(line) }); err != nil {
		return fmt.Errorf("write what is to go: %w", err)
	}
	w.Flush()
	return errors.Join(w.Error(), f.Sync())
}
