//go:build !race

package server

import (
	"fmt"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
)

const (
	clusterName     = "active"
	mainStore       = "main"
	visibilityStore = "visibility"
	// pollRPS is how often a second each shard looks for transfers and timers.
	pollRPS = 1000
)

func serverConfig(d *database, o Options, a addresses) (*config.Config, error) {
	services := map[string]config.Service{}
	for name, addr := range a.byService() {
		host, port, err := splitPort(addr)
		if err != nil {
			return nil, fmt.Errorf("address of service %s: %w", name, err)
		}
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: host}}
	}
	return &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     mainStore,
			VisibilityStore:  visibilityStore,
			NumHistoryShards: o.Shards,
			DataStores:       map[string]config.DataStore{mainStore: {SQL: d.main}, visibilityStore: {SQL: d.visibility}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: a.frontend},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchival{State: config.ArchivalDisabled},
		},
		NamespaceDefaults: config.NamespaceDefaults{
			Archival: config.ArchivalNamespaceDefaults{
				History:    config.HistoryArchivalNamespaceDefaults{State: config.ArchivalDisabled},
				Visibility: config.VisibilityArchivalNamespaceDefaults{State: config.ArchivalDisabled},
			},
		},
		// PublicClient stays unset: the server's own workers use the internal
		// frontend, which needs no token.
	}, nil
}

func dynamicConfig() dynamicconfig.Client {
	return dynamicconfig.StaticClient{
		dynamicconfig.TransferProcessorMaxPollRPS.Key():         pollRPS,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():            pollRPS,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1, // one machine: more would only forward to each other
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
		dynamicconfig.EnablePrincipalPropagation.Key():          true,
		// Off altogether, whatever a policy says.
		dynamicconfig.FrontendEnableSchedules.Key():        false,
		dynamicconfig.FrontendEnableBatcher.Key():          false,
		dynamicconfig.MakeKey("activity.enableStandalone"): false,
		dynamicconfig.EnableCrossNamespaceCommands.Key():   false,
	}
}

func (a addresses) byService() map[primitives.ServiceName]string {
	return map[primitives.ServiceName]string{
		primitives.FrontendService:         a.frontend,
		primitives.InternalFrontendService: a.internal,
		primitives.HistoryService:          a.history,
		primitives.MatchingService:         a.matching,
		primitives.WorkerService:           a.worker,
	}
}

func (a addresses) staticHosts() map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, addr := range a.byService() {
		hosts[name] = static.SingleLocalHost(addr)
	}
	return hosts
}
