// Command mydb is MyDB: self-service databases on Docker Swarm. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/bot/console"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/deploy/dev"
	"github.com/mydb-project/mydb/migrations"
)

// version is set by the build.
var version = "development"

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// errFailed ends a command that has said all there is to say.
var errFailed = errors.New("failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	root := command()
	root.SetArgs(args)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case !started:
		fmt.Fprintf(os.Stderr, "mydb: %v\nSee `mydb -h`.\n", err)
		return exitUsage
	case !errors.Is(err, errFailed):
		fmt.Fprintf(os.Stderr, "mydb: %v\n", err)
	}
	return exitFailed
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use: "mydb", Short: "Self-service databases on Docker Swarm",
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(
		server("serve", "Run the portal, the API and the chat bots", true, false),
		server("work", "Run the workers of this node", false, true),
		server("all", "Run doors and workers in one process", true, true),
		simple("dev", "Run a whole MyDB on this machine, with everything it needs made on the way", runDev),
		simple("migrate", "Bring the metadata database up to date (as the role of MYDB_MIGRATE_URL)", runMigrate),
		simple("check", "Validate the configuration and reach every configured service", runCheck),
		catalogueCommand(),
		keyCommand(),
		caCommand(),
		recoverCommand(),
		auditCommand(),
		directoryCommand(),
		evidenceCommand(),
		chatCommand(),
		chatSimCommand(),
		connectCommand(),
		simple("version", "Print the version", func(cmd *cobra.Command) error {
			fmt.Fprintln(cmd.OutOrStdout(), version)
			return nil
		}),
	)
	return root
}

func simple(name, short string, do func(*cobra.Command) error) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd) }}
}

// newApp reads the configuration and the catalogue.
func newApp() (*App, error) {
	c, err := config.Load(os.Environ())
	if err != nil {
		return nil, err
	}
	site, err := c.ReadSite()
	if err != nil {
		return nil, err
	}
	if err := runnable(site.Catalogue, c.WarmPool); err != nil {
		return nil, fmt.Errorf("MYDB_CONFIG is %q: %w", c.Catalogue, err)
	}
	return &App{Config: c, Catalogue: site.Catalogue, Policy: site.Policy, Quotas: site.Quotas, Log: c.Logger()}, nil
}

func server(name, short string, serve, work bool) *cobra.Command {
	return simple(name, short, func(cmd *cobra.Command) error {
		a, err := newApp()
		if err != nil {
			return err
		}
		if err := a.Config.NeedServer(); err != nil {
			return err
		}
		a.Serve, a.Work = serve, work
		return a.run(cmd.Context(), func() {
			a.Log.Info("started", "version", version, "serve", serve, "work", work, "address", a.Addr)
		})
	})
}

// run opens and starts the app, and stops it when ctx ends or something fails.
func (a *App) run(ctx context.Context, started func()) (err error) {
	defer func() { err = errors.Join(err, a.Stop(ctx)) }()
	if a.Service == nil {
		if err := a.Open(ctx); err != nil {
			return err
		}
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	started()
	return a.Wait(ctx)
}

func runDev(cmd *cobra.Command) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	a, err := newApp()
	if err != nil {
		return err
	}
	a.Serve, a.Work, a.Labels, a.Announce = true, true, dev.Labels(), dev.Announcement
	if a.runtime, err = a.openRuntime(ctx); err != nil {
		return err
	}
	mode := dev.Mode{Config: &a.Config, Catalogue: &a.Catalogue, Runtime: a.runtime, Out: out}
	if err := mode.Prepare(ctx); err != nil {
		return err
	}
	chat, err := mode.StartChat()
	if err != nil {
		return err
	}
	defer mode.StopChat()
	if err := a.Open(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nMyDB %s, development mode\n\n", version)
	if err := errors.Join(mode.Accounts(ctx, a.Service), mode.KnowChat(ctx, a.Service)); err != nil {
		return err
	}
	return a.run(ctx, func() {
		fmt.Fprintf(out, "\n  portal     %s\n  terminal   bin/mydb chat\n  chat       %s\n  state      %s\n\nDatabases listen on every interface of this "+
			"machine. Ctrl-C stops MyDB; the databases go on running.\n\n", a.Config.PublicURL, chat, a.Config.StateDir)
	})
}

func runMigrate(cmd *cobra.Command) error {
	c, err := config.Load(os.Environ())
	if err != nil {
		return err
	}
	if c.DatabaseURL == "" {
		return errors.New("MYDB_DATABASE_URL is not set: its role is granted what the application needs. MYDB_MIGRATE_URL names the role that owns the schema")
	}
	return migrations.Run(cmd.Context(), c.MigrateURL, c.DatabaseURL)
}

func runCheck(cmd *cobra.Command) error {
	a, err := newApp()
	if err != nil {
		return err
	}
	defer a.Stop(cmd.Context()) //nolint:errcheck // nothing was started
	if !a.Check(cmd.Context(), cmd.OutOrStdout()) {
		return errFailed
	}
	return nil
}

func catalogueCommand() *cobra.Command {
	var images bool
	c := simple("catalogue", "Print what may be asked for", func(cmd *cobra.Command) error {
		a, err := newApp()
		if err != nil {
			return err
		}
		catalogue, out := a.Catalogue, cmd.OutOrStdout()
		if images {
			for _, image := range catalogue.Images() {
				fmt.Fprintln(out, image)
			}
			return nil
		}
		for _, o := range catalogue.Engines {
			fmt.Fprintf(out, "%s %v\n", o.Engine, o.Offered())
		}
		for _, s := range catalogue.Sizes {
			fmt.Fprintf(out, "%s: %g CPU, %s memory, %s disk, %d connections\n", s.Name, s.CPU, s.Memory, s.Disk, s.Connections)
		}
		return nil
	})
	c.Flags().BoolVar(&images, "images", false, "print only the images, one a line")
	return c
}

// clientFlags are the flags of the commands that talk to a running server.
func clientFlags(cmd *cobra.Command) *console.FindOptions {
	o := &console.FindOptions{}
	cmd.Flags().StringVar(&o.Server, "server", "", "address of the portal (default: MYDB_URL, or http://127.0.0.1:8080)")
	cmd.Flags().StringVar(&o.TokenFile, "token-file", "", "file with an API token (default: MYDB_TOKEN, or the token of development mode)")
	return o
}

func chatCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "chat [COMMAND...]", Short: "Type the chat's commands in a terminal, against a running server",
		Example: "  mydb chat                            a conversation\n  mydb chat create postgres genomes    one command",
	}
	find := clientFlags(cmd)
	cmd.Flags().SetInterspersed(false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := console.Find(*find)
		if err != nil {
			return err
		}
		home, _ := os.UserHomeDir() // without one, no history is kept
		return told(console.Chat(cmd.Context(), console.ChatOptions{
			Client: client, Args: args, In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(), Home: home,
		}))
	}
	return cmd
}

func connectCommand() *cobra.Command {
	o := console.ConnectOptions{}
	cmd := &cobra.Command{
		Use: "connect NAME", Short: "Show how to connect to a database, or write it into this machine's files", Args: cobra.ExactArgs(1),
		Example: "  mydb connect genomes --save && psql service=genomes",
	}
	find := clientFlags(cmd)
	cmd.Flags().BoolVar(&o.Save, "save", false, "write ~/.pg_service.conf, ~/.pgpass and ~/.mydb/ca.crt, readable by you alone")
	cmd.Flags().BoolVar(&o.PasswordStdin, "password-stdin", false, "with --save: take the password from standard input instead of collecting it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if o.Client, err = console.Find(*find); err != nil {
			return err
		}
		o.Name, o.In, o.Out, o.Err = args[0], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		return told(console.Connect(cmd.Context(), o))
	}
	return cmd
}

// told leaves out an error that the person has read already.
func told(err error) error {
	if errors.Is(err, console.ErrFailed) {
		return errFailed
	}
	return err
}
