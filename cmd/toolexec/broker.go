package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/wire"
)

// maxLine is longer than any response of the broker: a body of 64 KiB in base64,
// and headers.
const maxLine = 256 << 10

// broker sends HTTP requests to the gateway's broker over a descriptor, one after
// the other.
type broker struct {
	conn  io.ReadWriter
	lines *bufio.Reader
}

func newBroker() *broker {
	return brokerOn(os.NewFile(wire.BrokerFD, "broker"))
}

func brokerOn(conn io.ReadWriter) *broker {
	return &broker{conn: conn, lines: bufio.NewReaderSize(conn, maxLine)}
}

// Do makes one request. ctx does not cut the wait for the response short: the
// gateway's time limits end the wait, or this process.
func (b *broker) Do(ctx context.Context, r wire.BrokerRequest) (wire.BrokerResponse, error) {
	if err := ctx.Err(); err != nil {
		return wire.BrokerResponse{}, err
	}
	request, err := json.Marshal(r)
	if err != nil {
		return wire.BrokerResponse{}, fmt.Errorf("ask the broker: %w", err)
	}
	if _, err := b.conn.Write(append(request, '\n')); err != nil {
		return wire.BrokerResponse{}, fmt.Errorf("ask the broker: %w", err)
	}
	line, err := b.lines.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		return wire.BrokerResponse{}, errors.New("the broker closed the connection")
	}
	if err != nil {
		return wire.BrokerResponse{}, fmt.Errorf("read the broker's response: %w", err)
	}
	var response wire.BrokerResponse
	if err := strict.Decode(line, &response); err != nil {
		return wire.BrokerResponse{}, fmt.Errorf("read the broker's response: %w", err)
	}
	return response, nil
}
