package wire

import "runtime/debug"

// Version is what a program was built from.
type Version struct {
	Version string `json:"version"` // of the module, "(devel)" where the build names none
	Commit  string `json:"commit"`  // of the repository, "" where the build names none
}

// BuiltFrom is the version of the running program, as the Go tool stamped it.
func BuiltFrom() Version {
	v := Version{Version: "(devel)"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}
