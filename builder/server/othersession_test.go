package server

import (
	"context"
	"testing"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"

	"slipway/builder"
)

// TestOtherSession builds with local sources from a session that the frontend options name instead
// of the session of the build.
func TestOtherSession(t *testing.T) {
	s := startServer(t, builder.Options{})
	files := contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "other session\n"})
	other, err := session.NewSession(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	other.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": files, "dockerfile": files}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- other.Run(ctx, s.Dialer()) }()
	defer func() {
		cancel()
		<-ended
	}()
	opt := dockerfileOpt(nil)
	opt.LocalMounts = map[string]fsutil.FS{}
	opt.FrontendAttrs["local-sessionid:context"] = other.ID()
	opt.FrontendAttrs["local-sessionid:dockerfile"] = other.ID()
	var out tarOutput
	opt.Exports = append(opt.Exports, out.entry())
	if _, err := s.Solve(t.Context(), nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	if got := out.files(t)["b.txt"]; got != "other session\n" {
		t.Errorf("got b.txt with %q, want the file of the other session", got)
	}
}
