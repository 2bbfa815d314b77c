// Toolexec is the executor of the built-in tools. The gateway starts it, one
// process per call, in a sandbox; people do not run it.
//
//	toolexec launch     start executors as "toolexec confine", see package confine
//	toolexec confine    set up the sandbox from the inside, then "toolexec run"
//	toolexec run        read a request from standard input, write a response
//
// Package [github.com/sallyport/sallyport/tools] has the contract. Build it
// with CGO_ENABLED=0: a sandbox holds no libraries.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sallyport/sallyport/adapters/sandbox/confine"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/builtin"
	"github.com/sallyport/sallyport/tools/wire"
)

// maxRequest is larger than any request of a gateway.
const maxRequest = 64 << 20

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "toolexec:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 {
		switch args[0] {
		case confine.ArgLaunch:
			return confine.Launch()
		case confine.ArgConfine:
			return confine.Exec()
		case confine.ArgRun:
			return respond(os.Stdin, os.Stdout, newBroker())
		}
	}
	return errors.New("usage: toolexec launch | toolexec confine | toolexec run; the gateway starts toolexec, see the documentation of the sandbox")
}

// respond reads one request and writes its response. A request that can't be
// read is an error of the gateway, not a response.
func respond(in io.Reader, out io.Writer, b builtin.Broker) error {
	data, err := io.ReadAll(io.LimitReader(in, maxRequest+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the request: %w", err)
	case len(data) > maxRequest:
		return fmt.Errorf("the request is larger than the limit of %d bytes", maxRequest)
	}
	var request wire.Request
	if err := strict.Decode(data, &request); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	response, err := json.Marshal(builtin.Run(context.Background(), request, b))
	if err != nil {
		return fmt.Errorf("write the response: %w", err)
	}
	_, err = out.Write(response)
	return err
}
