package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

// versions is the output of the command: the gateway's is nil where none is named.
type versions struct {
	Client  client.Version  `json:"client"`
	Gateway *client.Version `json:"gateway"`
}

func versionCommand() *cobra.Command {
	var r reader
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the gateway",
		Long: `Print what this program was built from, and what the gateway was built from. It
takes no token. Without a gateway (--server, or a development instance) it prints
the first alone.`,
		Example: `  sallyport version
  sallyport version --server https://sallyport.example.com -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: client.BuiltFrom()}
			if err := r.ask(cmd, &v); err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), v, func(w io.Writer) error {
				all := [][]string{{"sallyport", v.Client.Version, v.Client.Commit}}
				if v.Gateway != nil {
					all = append(all, []string{"gateway", v.Gateway.Version, v.Gateway.Commit})
				}
				return rows(w, []string{"PROGRAM", "VERSION", "COMMIT"}, all)
			})
		},
	}
	r.flags(cmd)
	return cmd
}

// ask asks the gateway, where one is named.
func (r *reader) ask(cmd *cobra.Command, v *versions) error {
	server, err := r.address()
	if err != nil && r.server == "" {
		_, err = fmt.Fprintln(cmd.ErrOrStderr(), "no gateway is named: --server names one")
		return err
	}
	if err != nil {
		return err
	}
	api, err := client.New(server, "")
	if err != nil {
		return err
	}
	gateway, err := api.Version(cmd.Context())
	v.Gateway = &gateway
	return err
}
