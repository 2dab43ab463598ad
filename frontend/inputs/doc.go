// Package inputs reads the inputs of a build through the gateway: the Dockerfile, ignore
// files, the main context, named contexts and image configs.
//
// [Inputs] implements dockerfile2llb.Inputs. The main context (maincontext.go) is a local
// source, a git repository, a download or an LLB state from the client. A named context
// (named.go) may also be an image. Configs, the main context and the times of sources
// (epoch.go) are resolved once per build, regardless of the number of platforms and
// stages. A local source is opened after planning, so that the client sends only the
// files that the plan uses.
//
// Package frontend/options parses the options, and package parser the Dockerfile. The
// daemon applies the patterns in ignore files.
package inputs
