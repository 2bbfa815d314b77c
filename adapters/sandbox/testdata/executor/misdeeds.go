//go:build linux && (amd64 || arm64)

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// misdeed responses, if it gets that far, in a way that the runner must cope
// with.
type misdeed func(request wire.Request, with map[string]string) wire.Response

func misdeeds() map[string]misdeed {
	return map[string]misdeed{
		"behave": func(r wire.Request, _ map[string]string) wire.Response { return result(behaved(r)) },
		"say":    say,
		"exit": func(_ wire.Request, with map[string]string) wire.Response {
			n, _ := strconv.Atoi(with["status"])
			os.Exit(n)
			return wire.Response{}
		},
		"segfault":     func(wire.Request, map[string]string) wire.Response { *(*int)(nil) = 1; return wire.Response{} },
		"hang":         func(wire.Request, map[string]string) wire.Response { time.Sleep(time.Hour); return wire.Response{} },
		"spin":         spin,
		"eat_memory":   eatMemory,
		"start_thread": startThreads,
		"fill_disk":    fillDisk,
		"flood":        flood,
		"flood_stderr": func(wire.Request, map[string]string) wire.Response {
			for range 1024 {
				fmt.Fprintln(os.Stderr, strings.Repeat("e", 1023))
			}
			return result("done")
		},
		"ask":   ask,
		"patch": patch,
		"plan": func(r wire.Request, _ map[string]string) wire.Response {
			return wire.Response{Plan: &sallyport.Plan{Summary: "s", Changes: []sallyport.Change{}, Preconditions: []byte(`{"b":1,"a":2}`)}}
		},
	}
}

func behaved(r wire.Request) map[string]any {
	plan := ""
	if r.Plan != nil {
		plan = string(r.Plan.Digest())
	}
	return map[string]any{"mode": r.Mode, "plan": plan, "traceparent": r.TraceParent, "files": len(r.Files)}
}

// say writes what the test wants instead of a response.
func say(_ wire.Request, with map[string]string) wire.Response {
	_, _ = os.Stdout.WriteString(with["text"])
	os.Exit(0)
	return wire.Response{}
}

func spin(wire.Request, map[string]string) wire.Response {
	for range 4 {
		go func() {
			for {
			}
		}()
	}
	for {
	}
}

func eatMemory(_ wire.Request, with map[string]string) wire.Response {
	mib, _ := strconv.Atoi(with["mib"])
	var kept [][]byte
	for range mib {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	return result(len(kept))
}

func startThreads(wire.Request, map[string]string) wire.Response {
	for range 2000 {
		go func() {
			runtime.LockOSThread()
			time.Sleep(time.Hour)
		}()
	}
	time.Sleep(time.Hour)
	return wire.Response{}
}

func fillDisk(wire.Request, map[string]string) wire.Response {
	var total int
	chunk := make([]byte, 64<<10)
	for n := range 10_000 {
		f, err := os.Create(fmt.Sprintf("/tmp/%d", n))
		if err != nil {
			break
		}
		for range 1024 {
			k, err := f.Write(chunk)
			total += k
			if err != nil {
				break
			}
		}
		_ = f.Close()
	}
	return result(total)
}

func flood(wire.Request, map[string]string) wire.Response {
	line := []byte(strings.Repeat("x", 64<<10))
	for {
		if _, err := os.Stdout.Write(line); err != nil {
			syscall.Exit(1)
		}
	}
}

// ask sends lines to the broker and tells what it said, one string for each.
func ask(_ wire.Request, with map[string]string) wire.Response {
	broker := os.NewFile(wire.BrokerFD, "broker")
	responses := bufio.NewReaderSize(broker, 1<<20)
	said := []string{}
	for line := range strings.Lines(with["lines"]) {
		if _, err := broker.WriteString(line); err != nil {
			said = append(said, "write: "+err.Error())
			continue
		}
		response, err := responses.ReadString('\n')
		if err != nil {
			response = "read: " + err.Error()
		}
		said = append(said, response)
	}
	return result(said)
}

func patch(_ wire.Request, with map[string]string) wire.Response {
	r := result("patched")
	r.Patch = &wire.Patch{Path: with["path"], Content: []byte(with["content"])}
	return r
}
