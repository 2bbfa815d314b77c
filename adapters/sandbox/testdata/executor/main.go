//go:build linux && (amd64 || arm64)

// Executor stands in for toolexec in the sandbox's tests: it misbehaves, and
// tries to get out. It refuses to do anything outside of a sandbox.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox/confine"
	"github.com/sallyport/sallyport/tools/wire"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == confine.ArgLaunch {
		if err := confine.Launch(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 2 && os.Args[1] == confine.ArgConfine {
		fmt.Fprintln(os.Stderr, confine.Exec())
		os.Exit(1)
	}
	if why := notConfined(); why != "" {
		fmt.Fprintln(os.Stderr, "refusing to run outside of a sandbox:", why)
		os.Exit(3)
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	var request wire.Request
	if err := json.Unmarshal(data, &request); err != nil {
		panic(err)
	}
	response, err := json.Marshal(respond(request))
	if err != nil {
		panic(err)
	}
	if _, err := os.Stdout.Write(response); err != nil {
		panic(err)
	}
}

// notConfined says how this process is not in a sandbox, as far as can be
// seen without trying anything.
func notConfined() string {
	name, err := os.Hostname()
	status, _ := os.ReadFile("/proc/self/status")
	entries, _ := os.ReadDir("/")
	switch {
	case err != nil || name != confine.Hostname:
		return "the host name is " + name
	case os.Getpid() != 1 || os.Getuid() != confine.UID:
		return fmt.Sprintf("this is process %d of user %d", os.Getpid(), os.Getuid())
	case len(entries) > 4:
		return "there are more than four entries in /"
	case len(status) > 0 && !strings.Contains(string(status), "NoNewPrivs:\t1"):
		return "it may gain privileges"
	}
	return ""
}

// arguments tell the executor what to do.
type arguments struct {
	Do   string            `json:"do"`
	With map[string]string `json:"with"` // what the test offers as prey
}

func respond(request wire.Request) wire.Response {
	var a arguments
	if err := json.Unmarshal(request.Intent.Arguments, &a); err != nil {
		return failure("unknown_tool", "it has no tool without arguments")
	}
	if attempt, ok := attempts()[a.Do]; ok {
		detail, err := attempt(a.With)
		return result(map[string]any{"escaped": err == nil, "detail": fmt.Sprint(detail, " ", err)})
	}
	if misdeed, ok := misdeeds()[a.Do]; ok {
		return misdeed(request, a.With)
	}
	return failure("no_such_attempt", a.Do)
}

func failure(code, message string) wire.Response {
	return wire.Response{Error: &sallyport.Failure{Code: code, Message: message}}
}

func result(v any) wire.Response {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return wire.Response{Result: b}
}
