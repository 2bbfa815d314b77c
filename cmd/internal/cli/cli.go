// Package cli is what sallyport and sallyport-gateway have in common: how a tree
// of commands runs, and the flags and texts of a verification.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/api/wire"
)

// Run runs a program until it ends or is told to stop, and returns its exit
// status.
func Run(root *cobra.Command, args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root.SilenceUsage, root.SilenceErrors = true, true
	root.Version = Version()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	var code ExitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintf(errs, "%s: %v\n", root.Name(), err)
		if _, looks := cmd.Annotations[looksFor]; looks {
			return NotLooked
		}
		return 1
	}
}

// NotLooked is the exit status of a command that was to find out whether something
// is wrong, and could not. It is 1 where something is.
const NotLooked = 2

const looksFor = "looks"

// Looks makes a command that finds out whether something is wrong end with
// [NotLooked] after an error.
func Looks(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{looksFor: ""}
	return cmd
}

// ExitCode is the error of a command that has said all there is to say.
type ExitCode int

func (c ExitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// Group is a command that only holds others. It refuses those that it doesn't
// have.
func Group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// Version is the version that the program was built from.
func Version() string { return wire.BuiltFrom().Version }
