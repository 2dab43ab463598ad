package registry

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"

	"slipway/internal/fakeregistry"
)

func auth(user, password string) string {
	return `"auth":"` + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + `"`
}

// TestUserCredentials checks that UserCredentials finds logins in the files of Docker and
// Podman, and searches the files in the documented order.
func TestUserCredentials(t *testing.T) {
	docker := `{"auths":{"https://index.docker.io/v1/":{` + auth("hub", "h") + `},"a.example":{` + auth("a", "p:q") + `},"a.example/own":{` + auth("own", "o") +
		`},"token.example":{"identitytoken":"id"},"bearer.example":{"registrytoken":"reg"},"https://old.example/v1/":{` + auth("old", "x") + `}}}`
	podman := `{"auths":{"a.example":{` + auth("podman", "x") + `},"p.example/team":{` + auth("team", "t") + `},"docker.io":{` + auth("x", "y") + `}}}`
	env := `{"auths":{"a.example":{` + auth("env", "e") + `}}}`
	for about, tc := range map[string]struct {
		docker, podman, env string
		want                map[string]Login
	}{
		"nothing": {"", "", "", map[string]Login{"a.example/x": {}}},
		"docker": {docker, "", "", map[string]Login{
			"docker.io/library/x": {User: "hub", Secret: "h"}, "registry-1.docker.io": {User: "hub", Secret: "h"},
			"a.example/x": {User: "a", Secret: "p:q"}, "a.example/own/x": {User: "own", Secret: "o"}, "a.example": {User: "a", Secret: "p:q"},
			"token.example/x": {Secret: "id"}, "bearer.example/x": {Bearer: "reg"}, "old.example/x": {User: "old", Secret: "x"}, "b.example/x": {},
		}},
		"environment without a file": {"", "", env, map[string]Login{"a.example/x": {User: "env", Secret: "e"}, "b.example/x": {}}},
		"environment and a file":     {docker, "", env, map[string]Login{"a.example/x": {User: "env", Secret: "e"}, "token.example/x": {Secret: "id"}}},
		"podman": {"", podman, "", map[string]Login{
			"a.example/x": {User: "podman", Secret: "x"}, "p.example/team/x/y": {User: "team", Secret: "t"}, "p.example/other": {}, "docker.io/x": {User: "x", Secret: "y"},
		}},
		"both": {docker, podman, "", map[string]Login{"a.example/x": {User: "a", Secret: "p:q"}, "p.example/team/x": {User: "team", Secret: "t"}}},
	} {
		dir, run := t.TempDir(), t.TempDir()
		setConfig(t, dir)
		t.Setenv("XDG_RUNTIME_DIR", run)
		t.Setenv("DOCKER_AUTH_CONFIG", tc.env)
		for name, data := range map[string]string{filepath.Join(dir, "config.json"): tc.docker, filepath.Join(run, "containers", "auth.json"): tc.podman} {
			if data == "" {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		find := UserCredentials()
		for name, want := range tc.want {
			if got, err := find(name); err != nil || got != want {
				t.Errorf("%s: %s: %+v, %v, want %+v", about, name, got, err, want)
			}
		}
	}
}

func TestBrokenCredentials(t *testing.T) {
	dir := t.TempDir()
	setConfig(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := UserCredentials()("a.example/x"); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
}

// TestSave checks that Save stores a login in Docker's format, that UserCredentials finds
// it, and that Remove removes only this login.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	setConfig(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"detachKeys":"ctrl-x","auths":{"b.example":{`+auth("b", "b")+`}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"a.example:5000", "docker.io"} {
		if err := Save(host, Login{User: "me", Secret: "pw"}); err != nil {
			t.Fatal(err)
		}
		if got, err := UserCredentials()(host + "/x"); err != nil || got != (Login{User: "me", Secret: "pw"}) {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
	var stored struct {
		DetachKeys string
		Auths      map[string]map[string]string
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(data, &stored)
	}
	me := base64.StdEncoding.EncodeToString([]byte("me:pw"))
	if err != nil || stored.DetachKeys != "ctrl-x" || stored.Auths["a.example:5000"]["auth"] != me || stored.Auths["https://index.docker.io/v1/"]["auth"] != me {
		t.Errorf("stored %s, %v", data, err)
	}
	for _, host := range []string{"a.example:5000", "docker.io"} {
		if err := Remove(host); err != nil {
			t.Fatal(err)
		}
		if got, err := UserCredentials()(host + "/x"); err != nil || got != (Login{}) {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
	if got, err := UserCredentials()("b.example"); err != nil || got.User != "b" {
		t.Errorf("the login for another host: %+v, %v", got, err)
	}
}

func TestHost(t *testing.T) {
	for name, want := range map[string]string{
		"": "docker.io", "docker.io": "docker.io", "https://index.docker.io/v1/": "docker.io", "a.example": "a.example",
		"https://a.example:5000/v2/": "a.example:5000", "localhost:5000": "localhost:5000",
	} {
		if got := Host(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestCheckLogin(t *testing.T) {
	for _, how := range []fakeregistry.Auth{fakeregistry.None, fakeregistry.Basic, fakeregistry.Token} {
		s := fakeregistry.Start(t, how)
		c := New(Options{})
		if err := c.CheckLogin(t.Context(), s.Host, Login{User: fakeregistry.User, Secret: fakeregistry.Password}); err != nil {
			t.Errorf("%v: %v", how, err)
		}
		err := c.CheckLogin(t.Context(), s.Host, Login{User: fakeregistry.User, Secret: "wrong"})
		if want := s.Host + " refuses the user name or the password"; how != fakeregistry.None && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%v: error %v, want %s", how, err, want)
		}
	}
}

// setConfig makes dir Docker's configuration directory for the duration of the test.
func setConfig(t *testing.T, dir string) {
	t.Helper()
	before := config.Dir()
	t.Cleanup(func() { config.SetDir(before) })
	config.SetDir(dir)
}
