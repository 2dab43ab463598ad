// Package answers describes builds for users and programs: what each stage and each step of a
// Dockerfile reads, which steps are cached, and how two builds differ.
//
// [New] converts plans to a [Plan], which is also the JSON format of the answers. A Plan is
// printed as a list of steps ([Plan.WriteText]) or as a graph of stages: a text tree, DOT,
// Mermaid, SVG and an HTML page ([Plan.WriteGraph]). [Compare] compares two Plans.
//
// All output depends only on the Plan, so that equal builds have equal answers.
package answers
