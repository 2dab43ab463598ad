// Package inputs reads the inputs of a build through the gateway: the
// Dockerfile, ignore files, the main context, named contexts and image configs.
//
// [Inputs] implements dockerfile2llb.Inputs. The main context (maincontext.go)
// is a local source, a git repository, a download or an LLB state of the
// client. A named context (named.go) may also be an image. Configs, the main
// context and the times of sources (epoch.go) are resolved once per build,
// regardless of the number of platforms and stages. A local source is opened
// after planning, so only the files that the plan uses are transferred.
//
// Out of scope: parsing options (package frontend/options), parsing the
// Dockerfile (package parser), and applying ignore patterns, which the daemon
// does.
package inputs
