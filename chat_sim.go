package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/deploy/chatsim"
)

// chatSimCommand serves the simulated chat by itself, for a MyDB that is started otherwise. Development mode brings its own.
func chatSimCommand() *cobra.Command {
	var listen string
	c := simple("chat-sim", "Serve a simulated Slack and Discord with a page to type in, for trying out chat", func(cmd *cobra.Command) error {
		sim, err := chatsim.Start(listen)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), `
A simulated Slack and a simulated Discord. They listen on the loopback interface, for this machine alone,
and forget everything when they end.

  page       %s

Start MyDB with these settings, and type /mydb create postgres demo on the page:

%s
Whoever has the page's address can be anybody there: never point a MyDB with real data at it.
`+"`mydb dev` brings a simulated chat of its own and needs none of this. Ctrl-C stops it.\n\n", sim.URL, sim.Settings())
		<-cmd.Context().Done()
		return sim.Close()
	})
	c.Flags().StringVar(&listen, "listen", chatsim.DefaultListen, "address of the page; one of the loopback interface")
	return c
}
