package main

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/cmd/internal/cli"
	"github.com/sallyport/sallyport/tools"
)

func toolsCommand() *cobra.Command {
	var dir string
	permissions := &cobra.Command{
		Use:   "permissions",
		Short: "Print what tools ask of a Kubernetes cluster, as values of the Helm chart",
		Long: `Print the union of what the manifests of tools ask of a Kubernetes cluster: of
the built-in ones, and of those in a directory, as the gateway would load them.
It is a piece of the Helm chart's values. The cluster's admission policies
refuse roles with more, also from an attacker who has taken the worker over.`,
		Example: `  sallyport-gateway tools permissions --dir ./tools > permissions.yaml
  helm upgrade sallyport ./deploy/chart --install --values permissions.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			manifests := []fs.FS{tools.Embedded()}
			if dir != "" {
				manifests = append(manifests, os.DirFS(dir))
			}
			c, err := tools.Load(manifests...)
			if err != nil {
				return fmt.Errorf("the tools of %q can't be loaded: %w", dir, err)
			}
			e := yaml.NewEncoder(cmd.OutOrStdout())
			e.SetIndent(2)
			if err := e.Encode(map[string]tools.Union{"permissions": c.Union()}); err != nil {
				return err
			}
			return e.Close()
		},
	}
	permissions.Flags().StringVar(&dir, "dir", "", "`directory` of manifests that add to the built-in ones or replace them")
	return cli.Group("tools", "Work with tools", "  sallyport-gateway tools permissions --dir ./tools", permissions)
}
