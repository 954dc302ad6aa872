package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/core"
)

func caCommand() *cobra.Command {
	ca := simple("ca", "Look at the databases' certificate authority, and rotate it", (*cobra.Command).Help)
	ca.AddCommand(
		simple("status", "Tell when certificates end, and what a rotation waits for", withCatalogue(caStatus)),
		simple("bundle", "Print the certificates that clients verify databases with", withCatalogue(caBundle)),
		caRotateCommand(),
	)
	return ca
}

func caRotateCommand() *cobra.Command {
	overlap, now := "", false
	c := simple("rotate", "Make a new authority: announced at once, in use after the overlap; servers are renewed one after another", withCatalogue(func(ctx context.Context, out io.Writer, a *App) error {
		days, isDays := strings.CutSuffix(overlap, "d")
		n, err := strconv.Atoi(days)
		if !isDays || err != nil || n < 0 || n > 366 {
			return errors.New("--overlap: write days such as 30d, at most 366d")
		}
		err = a.Service.RotateAuthority(ctx, whoami(), time.Duration(n)*24*time.Hour, now)
		var refused *core.Error
		if errors.As(err, &refused) {
			return errors.New(refused.Message)
		}
		if err != nil {
			return err
		}
		return caStatus(ctx, out, a)
	}))
	c.Flags().StringVar(&overlap, "overlap", "30d", "how long people have to fetch the new certificate before servers use it")
	c.Flags().BoolVar(&now, "now", false, "the old key may be known to others: no overlap, and servers are renewed at any time of the day")
	return c
}

func caStatus(ctx context.Context, out io.Writer, a *App) error {
	status, err := a.Service.AuthorityStatus(ctx)
	if err != nil {
		return err
	}
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	fmt.Fprintf(out, "issues    %s, until %s\n", status.Issuing.Name, day(status.Issuing.Until))
	if status.Next != nil {
		fmt.Fprintf(out, "next      %s, until %s; takes over on %s\n", status.Next.Name, day(status.Next.Until), day(status.NextAt))
	}
	if status.Old != nil {
		fmt.Fprintf(out, "old       %s, until %s; trusted, and issues nothing\n", status.Old.Name, day(status.Old.Until))
	}
	if status.Ends != nil {
		fmt.Fprintf(out, "servers   the first certificate ends on %s; each is renewed 60 days before\n", day(*status.Ends))
	}
	fmt.Fprintln(out, status)
	return nil
}

func caBundle(ctx context.Context, out io.Writer, a *App) error {
	bundle, err := a.Service.AuthorityBundle(ctx)
	if err == nil {
		_, err = out.Write(bundle)
	}
	return err
}
