// Package opa decides by Rego, in process, with Open Policy Agent.
//
// A policy is a directory (or a file system, such as the embedded default):
// Rego v1 modules and JSON or YAML data, rooted at the path of the directory
// they are in. It must define data.sallyport.decision, data.sallyport.visible
// and data.sallyport.approver; package policies documents their input and
// answers.
//
// A policy can neither reach out nor look at a clock, so that a decision can
// be made again from its recorded input. What goes wrong while it is
// evaluated, and an answer that is not exactly of the documented form, is no
// decision: an error of kind [sallyport.Unavailable], never an allow.
package opa
