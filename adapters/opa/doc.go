// Package opa is the policy decision point: Open Policy Agent, in process.
//
// A policy is a directory (or a file system, such as the embedded default):
// Rego v1 modules and JSON or YAML data, rooted at the path of the directory
// they are in. It must define data.sallyport.decision, data.sallyport.visible
// and data.sallyport.approver; package policies documents their input and
// output.
//
// A policy can use neither the network nor a clock, so that a decision can be
// made again from its recorded input. An evaluation that fails, or whose result
// is not exactly of the documented form, is no decision: an error of kind
// [sallyport.Unavailable], never an allow.
package opa
