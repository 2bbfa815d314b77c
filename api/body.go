package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Bounds of a request's body. Lengths are in characters.
const (
	maxBody   = 64 << 10 // bytes
	maxReason = 2000
	maxStated = 200 // session, task

	maxIDToken = 16 << 10
)

// callBody is the body with which an agent submits a call or a dry run.
type callBody struct {
	Tool      string          `json:"tool"`
	Arguments json.RawMessage `json:"arguments"`
	Reason    string          `json:"reason"`
	Session   string          `json:"session"`
	Task      string          `json:"task"`
}

func (b *callBody) check() error {
	var wrong faults
	wrong.toolName("/tool", b.Tool)
	wrong.unless(len(b.Arguments) > 0 && b.Arguments[0] == '{', "/arguments", "this must be an object")
	wrong.stated("", b.stated())
	return wrong.err()
}

func (b *callBody) stated() sallyport.Stated {
	return sallyport.Stated{Reason: b.Reason, Session: b.Session, Task: b.Task}
}

func validToolName(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

// voteBody is the body with which a person votes.
type voteBody struct {
	Verdict sallyport.Verdict `json:"verdict"`
	Ballot  sallyport.Digest  `json:"ballot"`
	Reason  string            `json:"reason"`
	IDToken string            `json:"id_token"`
}

func (b *voteBody) check() error {
	var wrong faults
	wrong.unless(b.Verdict == sallyport.Approve || b.Verdict == sallyport.Reject, "/verdict", `this must be "approve" or "reject"`)
	wrong.unless(b.Ballot.Valid(), "/ballot", "this must be a ballot's digest: sha256: and 64 lowercase hexadecimal digits")
	wrong.atMost(maxReason, "/reason", b.Reason)
	wrong.atMost(maxIDToken, "/id_token", b.IDToken)
	return wrong.err()
}

// faults collects the faults of a body.
type faults []sallyport.Field

func (f *faults) unless(ok bool, pointer, detail string) {
	if !ok {
		*f = append(*f, sallyport.Field{Pointer: pointer, Detail: detail})
	}
}

func (f *faults) atMost(limit int, pointer, s string) {
	f.unless(utf8.RuneCountInString(s) <= limit, pointer, fmt.Sprintf("this may have at most %d characters", limit))
}

// stated checks what an agent says of a call, which stands below a pointer.
func (f *faults) stated(below string, s sallyport.Stated) {
	f.atMost(maxReason, below+"/reason", s.Reason)
	f.atMost(maxStated, below+"/session", s.Session)
	f.atMost(maxStated, below+"/task", s.Task)
}

// toolName checks the name of a tool, which need not be there.
func (f *faults) toolName(pointer, name string) {
	f.unless(validToolName(name), pointer, "this must be a tool's name: 1 to 64 of a-z, 0-9 and _")
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	err := sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadRequest, "%s: %s", f[0].Pointer, f[0].Detail)
	err.Fields = f
	return err
}

// readBody reads a request's JSON body into v, strictly, and returns it in
// canonical form.
func readBody(c echo.Context, v interface{ check() error }) ([]byte, error) {
	canonical, err := readCanonical(c)
	if err != nil {
		return nil, err
	}
	if err := strict.Decode(canonical, v); err != nil {
		return nil, err
	}
	return canonical, v.check()
}

// readCanonical reads a request's JSON body, strictly, and returns it in canonical
// form.
func readCanonical(c echo.Context) ([]byte, error) {
	if err := jsonOnly(c.Request().Header); err != nil {
		return nil, err
	}
	data, err := readLimited(c)
	if err != nil {
		return nil, err
	}
	canonical, err := strict.JSON(data, strict.DefaultLimits)
	if err != nil {
		return nil, err
	}
	if len(canonical) > maxBody { // 9e15 takes four times as many bytes in full
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeTooLarge, "the body may have at most %d bytes, also with its numbers written out", maxBody)
	}
	return canonical, nil
}

func jsonOnly(h http.Header) error {
	kind, params, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	charset := params["charset"]
	if err != nil || kind != echo.MIMEApplicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return sallyport.Errorf(sallyport.Invalid, sallyport.CodeUnsupportedMediaType, "the body must be JSON: Content-Type: application/json")
	}
	if coding := h.Get(echo.HeaderContentEncoding); coding != "" && !strings.EqualFold(coding, "identity") {
		return sallyport.Errorf(sallyport.Invalid, sallyport.CodeUnsupportedMediaType, "the body must not be compressed")
	}
	return nil
}

// readLimited reads no more than a body may have.
func readLimited(c echo.Context) ([]byte, error) {
	r := c.Request()
	tooLarge := sallyport.Errorf(sallyport.Invalid, sallyport.CodeTooLarge, "the body may have at most %d bytes", maxBody)
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &sallyport.Error{Kind: sallyport.Invalid, Code: sallyport.CodeBadBody, Message: "the body did not arrive whole", Err: err}
	}
	return data, nil
}
