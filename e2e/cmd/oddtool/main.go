// Command oddtool is a tool that is not made for the gateway and ends in every
// way that a program can:
//
//	say WORDS        print them
//	fail CODE        print a complaint, and end with that status
//	shout BYTES      print so many
//	eat              use memory until it is killed
//	fill             write into /tmp until it is stopped
//	wait             do nothing, for ever
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	word, args := "say", []string{"nothing"}
	if len(os.Args) > 1 {
		word, args = os.Args[1], os.Args[2:]
	}
	switch word {
	case "say":
		_, _ = fmt.Fprintln(os.Stdout, strings.Join(args, "|"))
	case "fail":
		code, _ := strconv.Atoi(args[0])
		_, _ = fmt.Fprintln(os.Stdout, "it \x1b[31mhurts")
		os.Exit(code)
	case "shout":
		n, _ := strconv.Atoi(args[0])
		_, _ = fmt.Fprintln(os.Stdout, strings.Repeat("A", n))
	case "eat":
		for all := [][]byte{}; ; {
			all = append(all, eat(8<<20))
			_ = all
		}
	case "fill":
		fill()
	case "wait":
		time.Sleep(time.Hour)
	default:
		os.Exit(2)
	}
}

// eat uses so many bytes: what is only reserved counts for nothing.
func eat(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 1
	}
	return b
}

func fill() {
	f, err := os.Create("/tmp/full") //nolint:gosec // its pod has one of its own
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
	for block := eat(1 << 20); ; {
		// What isn't on the disk yet counts as memory.
		_, err := f.Write(block)
		if err == nil {
			err = f.Sync()
		}
		info, _ := f.Stat()
		if err != nil || info.Size() > 100<<20 { // full: now it waits for what comes of it
			time.Sleep(time.Hour)
		}
	}
}
