package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// moved are the commands that sallyport had and sallyport-gateway has now.
// Each fails and names the new command, because scripts and unit files call them.
var moved = map[string]string{ //nolint:gochecknoglobals // a table
	"api":    "sallyport-gateway api",
	"worker": "sallyport-gateway worker",
	"ledger": "sallyport-gateway ledger",
	"policy": "sallyport-gateway policy",

	"ledger verify": "sallyport verify for a proof or a published log, and sallyport-gateway ledger verify for a database",
}

func movedCommands() (all []*cobra.Command) {
	for word := range moved {
		if strings.Contains(word, " ") {
			continue
		}
		all = append(all, movedTo(word, word, moved[word]))
	}
	return all
}

// movedTo is a command that fails, because another has its place.
func movedTo(use, was, is string) *cobra.Command {
	return &cobra.Command{
		Use: use, Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			old, now := was, is
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				old += " " + args[0]
				now += " " + args[0]
			}
			if other, ok := moved[old]; ok {
				now = other
			}
			return fmt.Errorf("sallyport %s is now %s", old, now)
		},
	}
}
