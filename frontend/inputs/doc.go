// Package inputs reads what a build starts from through the gateway: the
// Dockerfile, the ignore file, the main context and the configs of images.
//
// [Inputs] implements dockerfile2llb.Inputs. Everything is looked up once per
// build, however many platforms and stages ask for it.
//
// Not here: which options there are (frontend/options), what the files say
// (parser, ignore patterns are the daemon's business).
package inputs
