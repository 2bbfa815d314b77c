// Traceexec stands in for toolexec and answers every run with the trace
// context that it was given, which an executor has no other way to tell.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox/confine"
	"github.com/sallyport/sallyport/tools/wire"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "traceexec:", err)
		os.Exit(1)
	}
}

func run(what string) error {
	switch what {
	case confine.ArgLaunch:
		return confine.Launch()
	case confine.ArgConfine:
		return confine.Exec()
	}
	var request wire.Request
	data, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.Unmarshal(data, &request)
	}
	if err != nil {
		return err
	}
	result, err := json.Marshal(map[string]string{"traceparent": request.TraceParent})
	if err != nil {
		return err
	}
	response := wire.Response{Result: result}
	if request.Mode == wire.ModePlan {
		response = wire.Response{Error: &sallyport.Failure{Code: "unknown_tool", Message: "traceexec plans nothing"}}
	}
	return json.NewEncoder(os.Stdout).Encode(response)
}
