package temporal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

const (
	encodingEncrypted = "binary/encrypted"
	keyIDMetadata     = "encryption-key-id"
)

// Key is a symmetric key of 32 bytes, with a name by which payloads say what
// they were encrypted with.
type Key struct {
	ID     string
	Secret []byte
}

// Codec encrypts payloads with AES-256-GCM, so that readers of Temporal's
// database see no arguments, decisions and results.
type Codec struct {
	current string
	aeads   map[string]cipher.AEAD
}

// NewCodec encrypts with the first key, and decrypts with any of them.
func NewCodec(keys ...Key) (*Codec, error) {
	if len(keys) == 0 {
		return nil, errors.New("temporal: the payload codec needs a key")
	}
	c := &Codec{current: keys[0].ID, aeads: map[string]cipher.AEAD{}}
	for _, k := range keys {
		if k.ID == "" || len(k.Secret) != 32 || c.aeads[k.ID] != nil {
			return nil, fmt.Errorf("temporal: payload key %q must have a name of its own and 32 bytes", k.ID)
		}
		block, err := aes.NewCipher(k.Secret)
		if err != nil {
			return nil, err
		}
		if c.aeads[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Encode encrypts payloads. The key's name is authenticated with each.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	aead := c.aeads[c.current]
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encodingEncrypted), keyIDMetadata: []byte(c.current)},
			Data:     aead.Seal(nonce, nonce, plain, []byte(c.current)),
		}
	}
	return out, nil
}

// Decode decrypts payloads that Encode made and passes others on as they
// are: people's signals arrive in the clear.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encodingEncrypted {
			out[i] = p
			continue
		}
		plain, err := c.open(p)
		if err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, fmt.Errorf("the decrypted payload is malformed: %w", err)
		}
	}
	return out, nil
}

func (c *Codec) open(p *commonpb.Payload) ([]byte, error) {
	id := string(p.GetMetadata()[keyIDMetadata])
	aead, ok := c.aeads[id]
	if !ok {
		return nil, fmt.Errorf("the payload is encrypted with key %q, which is not configured", id)
	}
	data := p.GetData()
	if len(data) < aead.NonceSize() {
		return nil, errors.New("the encrypted payload is too short")
	}
	plain, err := aead.Open(nil, data[:aead.NonceSize()], data[aead.NonceSize():], []byte(id))
	if err != nil {
		return nil, errors.New("the encrypted payload was changed, or its key was")
	}
	return plain, nil
}

// NewDataConverter encrypts what clients and workers put into histories.
func NewDataConverter(c *Codec) converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)
}

// NewFailureConverter encrypts messages and stack traces of failures too.
func NewFailureConverter(c *Codec) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: NewDataConverter(c), EncodeCommonAttributes: true,
	})
}

// CodecHandler lets the Temporal UI decode payloads for people. The caller
// guards it.
func CodecHandler(c *Codec) http.Handler {
	return converter.NewPayloadCodecHTTPHandler(c)
}
