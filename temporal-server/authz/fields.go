package authz

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// only denies a request that sets any other field than the named ones, and so
// the new fields of later servers. A message without content counts as unset,
// because clients send such.
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
