package k8s

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport"
)

const (
	usualLines = 100
	mostLines  = 1000
	// mostRead and mostLog bound the bytes of a log that the tool reads and returns.
	mostRead = 1 << 20
	mostLog  = 128 << 10
)

type logArguments struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Container string `json:"container"`
	TailLines *int64 `json:"tail_lines"`
}

type podLog struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"`
	Log       string `json:"log"`       // untrusted text; what isn't UTF-8 is written as \xNN
	Truncated bool   `json:"truncated"` // the requested lines have more bytes
}

// podLogs is k8s_pod_logs.
func podLogs(ctx context.Context, c *call) (any, error) {
	var a logArguments
	if err := c.decode(&a); err != nil {
		return nil, err
	}
	if err := c.agrees(a.Namespace, a.Name); err != nil {
		return nil, err
	}
	lines := int64(usualLines)
	if a.TailLines != nil {
		lines = *a.TailLines
	}
	if lines < 1 || lines > mostLines {
		return nil, failf(sallyport.CodeInvalidArguments, "tail_lines must be from 1 to %d, not %d", mostLines, lines)
	}
	if a.Container != "" && !namespaceName.MatchString(a.Container) {
		return nil, failf(sallyport.CodeInvalidArguments, "%.64q is no name of a container", a.Container)
	}
	var said []byte
	err := ask(ctx, func(ctx context.Context) (err error) {
		r := c.cluster.raw.Get().Namespace(a.Namespace).Resource("pods").Name(a.Name).SubResource("log").
			Param("tailLines", strconv.FormatInt(lines, 10)).Param("limitBytes", strconv.Itoa(mostRead))
		if a.Container != "" {
			r = r.Param("container", a.Container)
		}
		said, err = r.DoRaw(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	told, truncated := lastOf(said)
	return podLog{Namespace: a.Namespace, Name: a.Name, Container: a.Container, Log: told, Truncated: truncated}, nil
}

// lastOf makes text of the end of a log.
func lastOf(said []byte) (told string, truncated bool) {
	truncated = len(said) >= mostRead || len(said) > mostLog
	var b strings.Builder
	for end := sallyport.Tail(string(said), mostLog); end != ""; {
		r, size := utf8.DecodeRuneInString(end)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, end[0])
		} else {
			b.WriteString(end[:size])
		}
		end = end[size:]
	}
	told = sallyport.Visible(b.String())
	if len(told) > 4*mostLog { // nearly all of it is escapes
		told, truncated = sallyport.Tail(told, 4*mostLog), true
	}
	return told, truncated
}
