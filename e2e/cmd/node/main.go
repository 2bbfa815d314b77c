// Command node is what a test cluster's node runs: its supervisor on the
// machine, the first processes in its namespaces, and a CNI plugin. Package
// cluster starts it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sallyport/sallyport/e2e/internal/cni"
	"github.com/sallyport/sallyport/e2e/internal/node"
)

func main() {
	ctx := context.Background()
	if command := os.Getenv("CNI_COMMAND"); command != "" {
		call := cni.Call{Command: command, Container: os.Getenv("CNI_CONTAINERID"), Args: os.Getenv("CNI_ARGS"), Config: os.Stdin}
		if err := cni.Run(ctx, call, os.Stdout); err != nil {
			refuse(os.Stdout, err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// refuse says what was wrong as the specification of CNI has it.
func refuse(out io.Writer, err error) {
	_ = json.NewEncoder(out).Encode(map[string]any{"cniVersion": "1.0.0", "code": 100, "msg": "netpold: " + err.Error()}) // a failed write to the runtime has no other channel
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "supervise":
		ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return node.Supervise(ctx, node.Dir(args[1]), os.Stdin, os.Stderr)
	case len(args) == 4 && args[0] == "init":
		return node.Init(args[1:])
	case len(args) == 4 && args[0] == "run":
		return node.Run(ctx, node.Dir(args[1]), args[2], args[3])
	default:
		return errors.New("usage: node supervise DIR; package cluster does that")
	}
}
