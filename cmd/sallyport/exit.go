package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// Exit codes of `sallyport call`, beside those of all commands.
const (
	exitFailed  cli.ExitCode = 2 // it ran, and failed or is ambiguous
	exitNotRun  cli.ExitCode = 3 // it did not run
	exitStopped cli.ExitCode = 4 // the command was stopped, and the call goes on
)

// exits is the table of exit codes, which the help and the reference show.
func exits() []struct {
	code     cli.ExitCode
	commands string
	meaning  string
} {
	return []struct {
		code     cli.ExitCode
		commands string
		meaning  string
	}{
		{0, "call", "the call succeeded"},
		{0, "verify", "the proof holds, or nothing was changed"},
		{0, "all others", "the command did what it says"},
		{1, "verify", "the proof does not hold, or something was changed"},
		{1, "all others", "an error: a mistake in the command, no log-in, or the gateway refused the request or does not respond"},
		{exitFailed, "call", "the call ran, and failed or is ambiguous"},
		{cli.NotLooked, "verify", "it could not be verified: a file, a key or a server can't be read"},
		{exitNotRun, "call", "the call did not run: it is invalid, denied, rejected, expired or cancelled"},
		{exitStopped, "call", "Ctrl-C or a signal stopped the command, and the call goes on, or may"},
	}
}

// exitCodesTopic is a page of the help, and no command.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("The exit codes of all commands. What they mean does not change.\n\n")
	for _, e := range exits() {
		fmt.Fprintf(&b, "    %d  %-10s  %s\n", e.code, e.commands, e.meaning)
	}
	return &cobra.Command{
		Use: "exit-codes", Short: "What the exit codes of the commands mean", Long: strings.TrimRight(b.String(), "\n"),
		Example: `  sallyport call some_tool --as deploy-bot; echo $?`,
	}
}
