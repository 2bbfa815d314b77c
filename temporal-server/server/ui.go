//go:build !race

package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	ui "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// callbackPath is where the identity provider sends a browser back to.
const callbackPath = "/auth/sso/callback"

// startUI serves the Web UI and returns once it answers.
func startUI(ctx context.Context, o Options, a addresses) (*ui.Server, error) {
	if o.Login != nil {
		// The UI ends the process when discovery fails, so it is tried first.
		if _, err := oidc.NewProvider(ctx, o.Login.Provider); err != nil {
			return nil, fmt.Errorf("the Web UI needs the identity provider at %s: %w", o.Login.Provider, err)
		}
	}
	cfg, err := uiConfig(o, a)
	if err != nil {
		return nil, err
	}
	s := ui.NewServer(server_options.WithConfigProvider(cfg))
	go func() { _ = s.Start() }() // returns when it is stopped
	client, err := probeClient(o.UITLS)
	if err == nil {
		err = poll(ctx, func(ctx context.Context) error { return probe(ctx, client, localUI(o, a)+"/healthz") })
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("the Web UI did not come up: %w", err)
	}
	return s, nil
}

// codecConfig says how the UI authenticates itself where it has payloads
// decoded: by the person's access token, which it sends over TLS alone, or on
// loopback by the cookies of this host.
func codecConfig(o Options) uiconfig.Codec {
	secure := strings.HasPrefix(o.CodecEndpoint, "https:")
	login := o.CodecEndpoint != "" && o.Login != nil
	return uiconfig.Codec{Endpoint: o.CodecEndpoint, PassAccessToken: login && secure, IncludeCredentials: login && !secure}
}

func uiConfig(o Options, a addresses) (*uiconfig.Config, error) {
	host, port, err := splitPort(a.ui)
	if err != nil {
		return nil, fmt.Errorf("address of the Web UI: %w", err)
	}
	cfg := &uiconfig.Config{
		TemporalGRPCAddress: dialable(a.frontend),
		Host:                host,
		Port:                port,
		EnableUI:            true,
		HideLogs:            true,
		DefaultNamespace:    o.Namespace,
		DisableNewsFetch:    true, // nothing here calls home
		Codec:               codecConfig(o),
		CORS: uiconfig.CORS{
			AllowOrigins:   []string{publicUI(o, a)},
			CookieInsecure: !strings.HasPrefix(publicUI(o, a), "https:"), // plain HTTP on loopback
		},
		// Signals alone: operators use the gateway's API or the temporal
		// command for other changes. Hidden buttons are a convenience; the
		// policy denies the requests.
		WorkflowTerminateDisabled: true,
		WorkflowCancelDisabled:    true,
		WorkflowUpdateDisabled:    true,
		WorkflowResetDisabled:     true,
		WorkflowPauseDisabled:     true,
		BatchActionsDisabled:      true,
		StartWorkflowDisabled:     true,
		ActivityCommandsDisabled:  true,
	}
	if o.Login != nil {
		cfg.Auth = uiconfig.Auth{Enabled: true, Providers: []uiconfig.AuthProvider{{
			Label:        cmp.Or(o.Login.Label, "Log in"),
			Type:         "oidc",
			ProviderURL:  o.Login.Provider,
			ClientID:     o.Login.ClientID,
			ClientSecret: o.Login.ClientSecret,
			Scopes:       []string{"openid", "profile", "email"},
			CallbackURL:  publicUI(o, a) + callbackPath,
		}}}
	}
	if o.UITLS != nil {
		cfg.UIServerTLS = uiconfig.UIServerTLS{CertFile: o.UITLS.CertFile, KeyFile: o.UITLS.KeyFile}
	}
	if o.TLS != nil {
		name, err := o.TLS.name()
		if err != nil {
			return nil, err
		}
		cfg.TLS = uiconfig.TLS{CaFile: o.TLS.CAFile, ServerName: name, EnableHostVerification: true}
	}
	return cfg, nil
}

// localUI is where this process reaches the UI.
func localUI(o Options, a addresses) string {
	if o.UITLS != nil {
		return "https://" + dialable(a.ui)
	}
	return "http://" + dialable(a.ui)
}

// publicUI is where browsers reach it.
func publicUI(o Options, a addresses) string {
	return cmp.Or(strings.TrimSuffix(o.UIURL, "/"), localUI(o, a))
}

func probeClient(t *TLS) (*http.Client, error) {
	if t == nil {
		return http.DefaultClient, nil
	}
	config, err := t.client()
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}, nil
}

func probe(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}
