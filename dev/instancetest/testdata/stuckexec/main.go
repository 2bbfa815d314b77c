// Stuckexec stands in for toolexec. It answers what the sandbox tries itself
// with, and never comes to an end of anything else.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox/confine"
	"github.com/sallyport/sallyport/tools/wire"
)

func main() {
	var err error
	switch os.Args[1] {
	case confine.ArgLaunch:
		err = confine.Launch()
	case confine.ArgConfine:
		err = confine.Exec()
	default:
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stuckexec:", err)
		os.Exit(1)
	}
}

func run() error {
	var request wire.Request
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		return err
	}
	if request.Mode != wire.ModePlan {
		time.Sleep(time.Hour)
	}
	refusal := sallyport.Failure{Code: "unknown_tool", Message: "stuckexec plans nothing"}
	return json.NewEncoder(os.Stdout).Encode(wire.Response{Error: &refusal})
}
