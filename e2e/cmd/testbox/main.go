// Command testbox is the one program in the images of test pods:
//
//	pause                 wait for a signal
//	print WORDS           print them, and end
//	now                   print the time, in nanoseconds, and end
//	cat FILE...           print files
//	serve ADDRESS         answer HTTP requests, and end on a signal
//	get URL...            ask for them by HTTP, and print the answers
//	dial ADDRESS...       connect by TCP
//	resolve NAME...       look names up
//
// Those that reach out fail with status 1, within three seconds each.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// patience is how long one attempt to reach something takes.
const patience = 3 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testbox:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		args = []string{"print", "hello"}
	}
	name, args := args[0], args[1:]
	each := map[string]func(context.Context, string) (string, error){"cat": cat, "get": get, "dial": dial, "resolve": resolve}
	switch {
	case name == "pause":
		<-ctx.Done()
		return nil
	case name == "print":
		_, err := fmt.Fprintln(out, strings.Join(args, " "))
		return err
	case name == "now":
		_, err := fmt.Fprintln(out, time.Now().UnixNano())
		return err
	case name == "serve" && len(args) == 1:
		return serve(ctx, args[0])
	case each[name] != nil:
		for _, arg := range args {
			said, err := each[name](ctx, arg)
			if err != nil {
				return fmt.Errorf("%s %s: %w", name, arg, err)
			}
			if _, err := fmt.Fprintln(out, said); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("%q is not a word it knows: see its documentation", name)
	}
}

func cat(_ context.Context, file string) (string, error) {
	data, err := os.ReadFile(file) //nolint:gosec // what its pod says
	return string(data), err
}

func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) //nolint:gosec // the same
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request) //nolint:gosec // the same
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return string(body), err
}

func dial(ctx context.Context, address string) (string, error) {
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	return "connected to " + address, c.Close()
}

func resolve(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	return strings.Join(addresses, " "), err
}

// serve answers every request with the host's name and the path.
func serve(ctx context.Context, address string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	s := &http.Server{
		Addr: address, ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s", host, r.URL.Path) //nolint:gosec // no browser shows it; a client that hung up needs no response
		}),
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
