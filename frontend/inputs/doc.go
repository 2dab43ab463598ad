// Package inputs reads what a build starts from through the gateway: the
// Dockerfile, ignore files, the main context, named contexts and the configs of
// images.
//
// [Inputs] implements dockerfile2llb.Inputs. The main context (maincontext.go)
// is a local source, a git repository, a download or what the client made with
// LLB of its own; a named one (named.go) may be an image too. Configs, the main
// context and the times of sources (epoch.go) are looked up once per build, however many platforms and stages
// ask for them. What travels of a local source is known when it is opened: the
// plan is complete by then.
//
// Not here: which options there are (frontend/options), what the files say
// (parser; ignore patterns are the daemon's business).
package inputs
