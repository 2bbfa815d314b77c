// Package mcptest drives the gateway's MCP with clients that are not ours: the
// protocol's conformance suite, the Inspector, and the TypeScript SDKs of both
// generations, which Node runs. Its tests are behind the build tag mcp, so that all
// other tests need no Node:
//
//	make test-mcp
//
// The Go SDK's client is used by the tests of package api.
package mcptest
