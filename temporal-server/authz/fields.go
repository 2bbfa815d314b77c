package authz

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// only refuses a request that says anything besides the named fields: what a
// later server's requests can say is denied until somebody thinks about it.
// A message without content counts as not said, for clients send such.
func only(request proto.Message, fields ...protoreflect.Name) error {
	m := request.ProtoReflect()
	if len(m.GetUnknown()) > 0 {
		return deny("field", "a %s must not have fields that are unknown here", m.Descriptor().Name())
	}
	var refused error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !slices.Contains(fields, f.Name()) && !empty(f, v) {
			refused = deny("field", "a %s must not set %s here", m.Descriptor().Name(), f.Name())
		}
		return refused == nil
	})
	return refused
}

func empty(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	return f.Message() != nil && !f.IsList() && !f.IsMap() && proto.Size(v.Message().Interface()) == 0
}
