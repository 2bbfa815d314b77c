// Package cni is a plugin of the container network interface that runs after
// the one which gives a pod its address: it tells netpold that address, and
// returns when the pod's policies are in force, so that they are before the
// pod's first process starts.
package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Socket is where netpold listens.
const Socket = "/run/netpold.sock"

// patience is how long a pod's start may wait for netpold.
const patience = 15 * time.Second

// Call is one invocation: the environment that the specification names, and
// standard input.
type Call struct {
	Command   string // CNI_COMMAND
	Container string // CNI_CONTAINERID
	Args      string // CNI_ARGS
	Config    io.Reader
}

// Run answers a call on out. A pod whose policies can't be put in force is
// not started.
func Run(ctx context.Context, c Call, out io.Writer) error {
	switch c.Command {
	case "VERSION":
		_, err := io.WriteString(out, `{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}`)
		return err
	case "ADD":
		return add(ctx, c, out)
	case "DEL":
		_ = tell(ctx, "del "+c.Container) // the specification requires success, and netpold forgets the address with the pod
	}
	return nil
}

func add(ctx context.Context, c Call, out io.Writer) error {
	var config struct {
		Previous json.RawMessage `json:"prevResult"`
	}
	var previous struct {
		IPs []struct {
			Address string `json:"address"`
		} `json:"ips"`
	}
	if err := json.NewDecoder(c.Config).Decode(&config); err != nil {
		return fmt.Errorf("the plugin's configuration: %w", err)
	}
	if err := json.Unmarshal(config.Previous, &previous); err != nil {
		return fmt.Errorf("prevResult: %w", err)
	}
	if len(previous.IPs) == 0 {
		return errors.New("prevResult has no address: this plugin stands after one that gives addresses")
	}
	ip, _, _ := strings.Cut(previous.IPs[0].Address, "/")
	uid := ""
	for arg := range strings.SplitSeq(c.Args, ";") {
		if value, ok := strings.CutPrefix(arg, "K8S_POD_UID="); ok {
			uid = value
		}
	}
	if uid == "" {
		return errors.New("CNI_ARGS has no K8S_POD_UID")
	}
	if err := tell(ctx, fmt.Sprintf("add %s %s %s", uid, ip, c.Container)); err != nil {
		return err
	}
	_, err := out.Write(config.Previous)
	return err
}

// tell sends netpold one line and waits until it says ok. It may be starting
// still.
func tell(ctx context.Context, line string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", Socket)
		if err == nil {
			return exchange(ctx, c, line)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("netpold: %w", err)
		case <-again.C:
		}
	}
}

func exchange(ctx context.Context, c net.Conn, line string) error {
	defer func() { _ = c.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(c, line); err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(c, 64))
	if err == nil && strings.TrimSpace(string(answer)) != "ok" {
		err = fmt.Errorf("netpold answered %q to %q", answer, line)
	}
	return err
}
