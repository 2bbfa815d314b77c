// Package temporald is what the program cmd/temporald and those who run it
// have to tell each other: a [Config] on its standard input, and a [Ready]
// on its standard output once the server can be used. The program ends when
// its standard input is closed, so that it never outlives who started it.
package temporald

import "github.com/sallyport/sallyport/temporal-server/authz"

// Config says how to run a server.
type Config struct {
	Dir              string            `json:"dir"`
	Postgres         *Postgres         `json:"postgres"` // instead of Dir
	Shards           int32             `json:"shards"`   // 0 for the default
	FrontendAddr     string            `json:"frontend_addr"`
	UIAddr           string            `json:"ui_addr"` // empty: no UI
	Namespace        string            `json:"namespace"`
	SearchAttributes map[string]string `json:"search_attributes"` // name → type, such as "Keyword"
	People           *People           `json:"people"`            // nil: everyone may do everything
	Login            *Login            `json:"login"`
	CodecEndpoint    string            `json:"codec_endpoint"`
	LogLevel         string            `json:"log_level"` // of slog; default "WARN"
}

// Postgres is where the state is, without TLS.
type Postgres struct {
	Addr       string `json:"addr"`
	User       string `json:"user"`
	Password   string `json:"password"`
	Database   string `json:"database"`
	Visibility string `json:"visibility"`
}

// People is how people are authenticated and what they are.
type People struct {
	JWKS     string                `json:"jwks"`
	Issuer   string                `json:"issuer"`
	Audience string                `json:"audience"`
	Roles    map[string]authz.Role `json:"roles"`  // by subject; others have none
	Agents   []string              `json:"agents"` // clients of the issuer that are agents'
}

// Login is how people log in to the UI.
type Login struct {
	Provider     string `json:"provider"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

// Ready says where the server is.
type Ready struct {
	FrontendAddr string                `json:"frontend_addr"`
	UIAddr       string                `json:"ui_addr"`
	Tokens       map[authz.Role]string `json:"tokens"` // of the services; empty where everyone may do everything
}
