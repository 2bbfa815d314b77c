package api

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sallyport/sallyport"
)

// mcpPath is where agents speak the Model Context Protocol.
const mcpPath = "/mcp"

// door serves one message of the Model Context Protocol to one agent. It is a
// second way to the operations of the REST API: identities, shares, freezes and
// the ledger are the same.
type door struct {
	*Server

	c   echo.Context
	who sallyport.Identity
	sdk *mcp.Server // of this message alone

	drew atomic.Bool // whether the message has drawn from a share, or was refused one
}

// mcp serves a message as the transport Streamable HTTP has it, without sessions:
// any server may take any message of a client.
func (s *Server) mcp(c echo.Context, who sallyport.Identity) error {
	message, err := s.readMessage(c, who)
	if err != nil {
		return cmp.Or(s.charge(c, who), err)
	}
	r := c.Request()
	// The SDK gets the canonical form: no text that two parsers read in two ways.
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(message)), int64(len(message))
	c.Response().Before(func() { c.Response().Header().Set(echo.HeaderCacheControl, "no-store") }) // the SDK allows to revalidate
	d := &door{Server: s, c: c, who: who}
	d.sdk = d.newSDK()
	response := &meter{ResponseWriter: c.Response(), door: d}
	mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return d.sdk }, &mcp.StreamableHTTPOptions{
		Stateless: true, DisableLocalhostProtection: true, // sameSite knows the proxy's name too
	}).ServeHTTP(response, r)
	if !response.paid() {
		return response.refused
	}
	return nil
}

// newSDK is an MCP server for one message. What it lists and does depends on the
// agent, so that servers have nothing to share.
func (d *door) newSDK() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "sallyport", Title: "Sallyport", Version: d.opts.Version}, &mcp.ServerOptions{
		Instructions: mcpInstructions,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
		SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) {
			c.CacheScope, c.TTLMs = "private", mcpListTTL
		},
	})
	server.AddReceivingMiddleware(d.receiving)
	return server
}

// readMessage reads a JSON-RPC message of a client of this site, strictly, and returns it in canonical
// form. While it arrives it takes a place among the agent's messages.
func (s *Server) readMessage(c echo.Context, who sallyport.Identity) ([]byte, error) {
	if err := s.sameSite(c.Request()); err != nil {
		return nil, err
	}
	place, err := s.limiter.take(c.Request().Context(), identityKey(who), toSend, 0)
	if err != nil {
		return nil, err
	}
	defer place.end()
	message, err := readCanonical(c)
	if err != nil {
		return nil, err
	}
	if message[0] != '{' { // a batch would be many requests with the cost of one
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadJSON, "the body must be one JSON-RPC message: send the messages of a batch one by one")
	}
	return message, nil
}
