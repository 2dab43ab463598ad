package builder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/fakeregistry"
	"slipway/internal/slowtest"
)

// logIn stores the login of the given user for a registry host, and hides all other logins.
// Both last until the test ends. If user is "", logIn stores no login.
func logIn(t *testing.T, host, user string) {
	t.Helper()
	before, dir := config.Dir(), t.TempDir()
	t.Cleanup(func() { config.SetDir(before) })
	config.SetDir(dir)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("DOCKER_AUTH_CONFIG", "")
	if user == "" {
		return
	}
	data := fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, host, user, fakeregistry.Password)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPushIsCheckedFirst checks builds whose image or cache export the registry would
// reject. Such a build must fail before any step runs, with an error that advises the user
// to log in.
func TestPushIsCheckedFirst(t *testing.T) {
	for _, how := range []fakeregistry.Auth{fakeregistry.Basic, fakeregistry.Token} {
		s := fakeregistry.Start(t, how)
		for _, user := range []string{"", fakeregistry.Reader, fakeregistry.User} {
			logIn(t, s.Host, user)
			o := options(t, testDockerfile)
			ran := false
			o.Status = func(*client.SolveStatus) { ran = true }
			for about, set := range map[string]func(o *Options, on bool){
				"push " + s.Host + "/x:1": func(o *Options, on bool) {
					if o.Outputs = nil; on {
						o.Outputs = []Output{{Type: "image", Push: true, Name: s.Host + "/x:1"}}
					}
				},
				"export cache to " + s.Host + "/cache": func(o *Options, on bool) {
					if o.CacheTo = nil; on {
						o.CacheTo = entry(t, "type=registry,ref="+s.Host+"/cache")
					}
				},
			} {
				set(&o, true)
				ran = false
				err := Run(t.Context(), o)
				set(&o, false)
				if user == fakeregistry.User {
					if err != nil || !ran {
						t.Errorf("%v, %s, %s: error %v", how, user, about, err)
					}
					continue
				}
				if err == nil || !strings.HasPrefix(err.Error(), about+": push access denied") || !strings.Contains(err.Error(), "slipway login "+s.Host) || ran {
					t.Errorf("%v, %q, %s: ran %t, error %v", how, user, about, ran, err)
				}
			}
		}
	}
}

// TestFailingCacheIsNoError checks that a cache export with ignore-error does not fail
// the build if the registry denies access.
func TestFailingCacheIsNoError(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.Basic)
	logIn(t, s.Host, "")
	o := options(t, testDockerfile)
	o.CacheTo = entry(t, "type=registry,ignore-error=true,ref="+s.Host+"/cache")
	if err := Run(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// TestPushIndex checks how an index is pushed: its images must be pushed first and without
// a tag, and layers that they share must be sent only once.
func TestPushIndex(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	logIn(t, s.Host, "")
	o := options(t, "FROM scratch\nCOPY a /\nARG TARGETARCH\nENV A=$TARGETARCH\n")
	o.Platforms = []string{"linux/amd64", "linux/arm64"}
	o.Outputs = []Output{{Type: "image", Push: true, Name: s.Host + "/x:1," + s.Host + "/y:2"}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	puts := map[string]int{}
	for _, req := range s.TakeRequests() {
		if method, path, _ := strings.Cut(req, " "); method == "PUT" {
			puts[path[:strings.LastIndexByte(path, '/')]]++
		}
	}
	// One layer and two configs; two manifests and the index.
	if puts["/v2/x/blobs/uploads"] != 3 || puts["/v2/x/manifests"] != 3 || puts["/v2/y/manifests"] != 3 {
		t.Errorf("sent %v", puts)
	}
	for _, name := range []string{"/x:1", "/y:2"} {
		repo, err := newRegistry(defaultStall, nil).Repository(t.Context(), s.Host+name, false)
		if err != nil {
			t.Fatal(err)
		}
		d, err := repo.Resolve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var idx ocispecs.Index
		data, err := repo.Manifest(t.Context(), d)
		if err == nil {
			err = json.Unmarshal(data, &idx)
		}
		if err != nil || len(idx.Manifests) != 2 {
			t.Errorf("%s: index %s, %v", name, data, err)
		}
		for _, m := range idx.Manifests {
			if _, err := repo.Manifest(t.Context(), m); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestStalledPush checks pushes and cache exports to a registry that never answers one kind
// of request. They must fail after the time limit for silent servers.
func TestStalledPush(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	const limit = 700 * time.Millisecond
	for _, silent := range []string{"POST /v2/x/blobs/uploads/", "PATCH /v2/x/", "PUT /v2/x/blobs/", "PUT /v2/x/manifests/1", "GET /v2/x/", "HEAD /v2/x/"} {
		s := fakeregistry.Start(t, fakeregistry.None)
		logIn(t, s.Host, "")
		hang := make(chan struct{})
		t.Cleanup(func() { close(hang) })
		var asked atomic.Bool
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.Method+" "+r.URL.Path, silent) {
				asked.Store(true)
				<-hang // with a body that is not read
			}
			return false
		}
		for about, set := range map[string]func(*Options){
			"image": func(o *Options) { o.Outputs = []Output{{Type: "image", Push: true, Name: s.Host + "/x:1"}} },
			"cache": func(o *Options) { o.CacheTo = entry(t, "type=registry,ref="+s.Host+"/x:1") },
		} {
			o := options(t, testDockerfile)
			o.Stall = limit
			set(&o)
			asked.Store(false)
			err := Run(t.Context(), o)
			if asked.Load() && (err == nil || !strings.Contains(err.Error(), "sent nothing for 700ms")) {
				t.Errorf("%s, %s: error %v", about, silent, err)
			}
			if !asked.Load() && (err != nil || strings.Contains(silent, "P")) && !strings.HasPrefix(silent, "PATCH") {
				t.Errorf("%s, %s: not asked, error %v", about, silent, err)
			}
		}
	}
}
