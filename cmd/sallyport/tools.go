package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

func toolsCommand() *cobra.Command {
	return cli.Group("tools", "See the tools that an agent may call",
		"  sallyport tools list --as deploy-bot\n  sallyport tools show gitops_scale_deployment --as deploy-bot",
		toolsListCommand(), toolsShowCommand(), movedTo("permissions", "tools permissions", "sallyport-gateway tools permissions"))
}

func toolsListCommand() *cobra.Command {
	var r reader
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tools that the agent may see",
		Long: `List the tools that policy lets this agent see, with what they may do to their
target. For agents. Whether policy allows a call of one is another question:
` + "`sallyport decide`" + ` asks it.`,
		Example: `  sallyport tools list --as deploy-bot`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			tools, err := api.Tools(cmd.Context())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), map[string]any{"tools": tools}, func(w io.Writer) error {
				all := make([][]string, 0, len(tools))
				for _, t := range tools {
					all = append(all, []string{t.Name, does(t), t.Title})
				}
				return rows(w, []string{"TOOL", "DOES", "TITLE"}, all)
			})
		},
	}
	r.flags(cmd)
	return cmd
}

func toolsShowCommand() *cobra.Command {
	var r reader
	cmd := &cobra.Command{
		Use:   "show TOOL",
		Short: "Show a tool and the arguments that it takes",
		Long: `Show what a tool is for, by its manifest: its description, its digest, and the
JSON Schema of its arguments. For agents.`,
		Example: `  sallyport tools show gitops_scale_deployment --as deploy-bot
  sallyport tools show gitops_scale_deployment --as deploy-bot -o yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			tools, err := api.Tools(cmd.Context())
			if err != nil {
				return err
			}
			at := slices.IndexFunc(tools, func(t client.Tool) bool { return t.Name == args[0] })
			if at < 0 {
				return fmt.Errorf("there is no tool %q, or this agent may not see it: sallyport tools list shows those that it may", args[0])
			}
			return r.print(cmd.OutOrStdout(), tools[at], func(w io.Writer) error { return showTool(w, tools[at]) })
		},
	}
	r.flags(cmd)
	cmd.ValidArgsFunction = r.completes(toolNames)
	return cmd
}

func showTool(w io.Writer, t client.Tool) error {
	fact(w, "tool", t.Name)
	fact(w, "title", t.Title)
	fact(w, "does", does(t))
	fact(w, "manifest", string(t.Digest))
	_, err := fmt.Fprintf(w, "\nWhat it is for:\n%s\nArguments (JSON Schema):\n%s", quote(t.Description), quote(sallyport.Indented(t.InputSchema)))
	return err
}

// does says what a tool may do to its target.
func does(t client.Tool) string {
	switch {
	case t.Annotations.ReadOnly:
		return "reads"
	case t.Annotations.Destructive:
		return "can't be undone"
	default:
		return "writes"
	}
}

func decideCommand() *cobra.Command {
	var r reader
	var a arguments
	var s client.Submission
	cmd := &cobra.Command{
		Use:   "decide TOOL [--arg name=value]...",
		Short: "Ask what policy would decide on a call, without making it",
		Long: `A dry run: ask what policy would decide on a call. For agents. The gateway
plans, runs and records nothing, and the decision is no promise: policy decides
anew on the call itself. The flags are those of ` + "`sallyport call`" + `.`,
		Example: `  sallyport decide gitops_scale_deployment --as deploy-bot --arg environment=production --arg name=api --arg replicas=5`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s.Tool = args[0]
			if s.Arguments, err = a.read(cmd.InOrStdin()); err != nil {
				return err
			}
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			p, err := api.Preview(cmd.Context(), s)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), p, func(w io.Writer) error { return showPreview(w, p) })
		},
	}
	a.flags(cmd.Flags())
	statedFlags(cmd.Flags(), &s)
	r.flags(cmd)
	cmd.ValidArgsFunction = r.completes(toolNames)
	return cmd
}

func showPreview(w io.Writer, p client.Preview) error {
	fact(w, "policy", string(p.Effect))
	fact(w, "what", p.Intent.Action+" "+p.Intent.Resource)
	fact(w, "target", p.Intent.Namespace+"/"+p.Intent.Name)
	if a := p.Approval; a != nil {
		fact(w, "needs", fmt.Sprintf("%d of %v within %d s, by %v", a.Quorum, a.Groups, a.TTLSeconds, a.Evidence))
	}
	if o := p.Obligations; o.TimeoutSeconds > 0 || o.SignedImage || len(o.Redact) > 0 {
		var all []string
		if o.TimeoutSeconds > 0 {
			all = append(all, fmt.Sprintf("at most %d s", o.TimeoutSeconds))
		}
		if o.SignedImage {
			all = append(all, "a signed image")
		}
		if len(o.Redact) > 0 {
			all = append(all, "a result without "+strings.Join(o.Redact, ", "))
		}
		fact(w, "with", strings.Join(all, "; "))
	}
	fact(w, "revision", p.Revision)
	showReasons(w, p.Reasons, p.Hint)
	return nil
}
