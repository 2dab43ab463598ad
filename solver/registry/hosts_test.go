package registry

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"slipway/internal/fakeregistry"
)

// files writes the given files into a new directory and returns the path of this directory.
// The map contains the content of each file by its path.
func files(t *testing.T, list map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range list {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(data), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func certificate(s *fakeregistry.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// TestHostsFile checks that the client uses the servers, mirrors and certificates in
// hosts.toml, with the credentials for the host of the reference.
func TestHostsFile(t *testing.T) {
	s := fakeregistry.StartTLS(t, fakeregistry.Token)
	empty := fakeregistry.Start(t, fakeregistry.None)
	only := func(name string) (Login, error) {
		if strings.HasPrefix(name, "registry.example/") {
			return Login{User: fakeregistry.User, Secret: fakeregistry.Password}, nil
		}
		return Login{}, nil
	}
	for about, tc := range map[string]struct{ hosts, want string }{
		"authority":          {"server = 'SERVER'\nca = 'ca.pem'\n", ""},
		"authority in list":  {"server = 'SERVER'\nca = ['ca.pem']\n", ""},
		"no authority":       {"server = 'SERVER'\n", "certificate signed by unknown authority (trust its authority with the file certs.d/registry.example/ca.crt in ~/.config/docker or /etc/docker)"},
		"not verified":       {"server = 'SERVER'\nskip_verify = true\n", ""},
		"mirror has nothing": {"server = 'SERVER'\nca = 'ca.pem'\n[host.'http://EMPTY']\ncapabilities = ['pull', 'resolve']\n", ""},
		"mirror is down":     {"server = 'SERVER'\nca = 'ca.pem'\n[host.'http://127.0.0.1:1']\ncapabilities = ['pull', 'resolve']\n", ""},
		"no TOML":            {"server = 'SERVER'\nca = \n", "DIR/hosts.toml:2:6: "},
		"wrong value":        {"capabilities = ['pul']\n", "DIR/hosts.toml: unknown capability pul"},
		"wrong type":         {"skip_verify = 'yes'\n", "DIR/hosts.toml:1:15: "},
		"no certificate":     {"server = 'SERVER'\nca = 'none.pem'\n", "DIR/none.pem"},
	} {
		hosts := strings.NewReplacer("SERVER", s.URL, "EMPTY", empty.Host).Replace(tc.hosts)
		dir := files(t, map[string]string{"registry.example/hosts.toml": hosts, "registry.example/ca.pem": certificate(s), "_default/hosts.toml": "wrong"})
		r, err := New(Options{Dirs: []string{t.TempDir(), dir}, Credentials: only}).Repository(t.Context(), "registry.example/x:1", false)
		if err == nil {
			err = write(t, r)
		}
		if err == nil {
			err = read(t, r)
		}
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(tc.want, "DIR", dir+"/registry.example"))) {
			t.Errorf("%s: error %v, want %q", about, err, tc.want)
		}
	}
}

// TestHostDir checks which configuration directory is used for a host. A directory for the
// host must take precedence over a directory for all hosts, and the user's directories over
// the system's directories.
func TestHostDir(t *testing.T) {
	user := files(t, map[string]string{"containerd/certs.d/_default/hosts.toml": "", "docker/certs.d/a:5000/ca.crt": ""})
	home := files(t, map[string]string{".docker/certs.d/b/ca.crt": "", ".docker/certs.d/a:5000/ca.crt": ""})
	c := New(Options{Dirs: DefaultDirs(user, home)})
	for host, want := range map[string]string{
		"a:5000": user + "/docker/certs.d/a:5000", "b": home + "/.docker/certs.d/b", "c": user + "/containerd/certs.d/_default",
	} {
		if got, err := c.hostDir(host); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", host, got, err, want)
		}
	}
	if got := DefaultDirs("", ""); len(got) != 3 || got[0] != "/etc/containerd/certs.d" || got[1] != "/etc/docker/certs.d" || got[2] != "/etc/containers/certs.d" {
		t.Errorf("directories %q", got)
	}
	c = New(Options{Dirs: []string{files(t, map[string]string{"file": ""}) + "/file"}})
	if got, err := c.hostDir("a"); err != nil || got != "" {
		t.Errorf("below a file: %q, %v", got, err)
	}
}

// recordingTransport is a transport that records requests and answers them without a
// network.
type recordingTransport struct {
	answer func(*http.Request) *http.Response

	mu   sync.Mutex
	sent []string // requests as "SCHEME HOST AUTHORIZATION-SCHEME"
}

// RoundTrip implements [http.RoundTripper].
func (w *recordingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	auth, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if r.Method == http.MethodPost && r.URL.Path == "/token" {
		auth = "password"
	}
	w.sent = append(w.sent, strings.TrimSpace(r.URL.Scheme+" "+r.URL.Host+" "+auth))
	resp := w.answer(r)
	if resp == nil {
		return nil, errors.New("no such server")
	}
	resp.Request, resp.Body = r, io.NopCloser(strings.NewReader(""))
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	return resp, nil
}

func challenge(how string) *http.Response {
	return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {how}}}
}

// TestClearText checks that challenges and redirects cannot make the client send
// credentials over HTTP, except to localhost and to hosts for which the user allowed it.
func TestClearText(t *testing.T) {
	moved := func(to string) *http.Response {
		return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {to}}}
	}
	for about, tc := range map[string]struct {
		host     string
		insecure bool
		answer   func(*http.Request) *http.Response
		sent     string // the expected last request
		want     string
	}{
		"private address": {"10.1.2.3:5000", false, func(*http.Request) *http.Response { return nil }, "https 10.1.2.3:5000", "no such server"},
		"local name":      {"box.local", false, func(*http.Request) *http.Response { return nil }, "https box.local", "no such server"},
		"realm": {"r.example", false, func(*http.Request) *http.Response {
			return challenge(`Bearer realm="http://r.example/token"`)
		}, "https r.example", "credentials are not sent to http://r.example in clear text"},
		"redirect": {"r.example", false, func(r *http.Request) *http.Response {
			if r.Header.Get("Authorization") == "" {
				return challenge("Basic")
			}
			return moved("http://r.example/x")
		}, "https r.example Basic", "credentials are not sent to http://r.example in clear text"},
		"redirect to another host": {"r.example", false, func(r *http.Request) *http.Response {
			switch {
			case r.URL.Host == "other":
				return challenge("Basic")
			case r.Header.Get("Authorization") == "":
				return challenge("Basic")
			}
			return moved("http://other/x")
		}, "https r.example Basic", "credentials are not sent to http://other in clear text"},
		"realm of a host that the user named": {"plain.example", false, func(r *http.Request) *http.Response {
			if r.URL.Path == "/token" {
				return nil
			}
			return challenge(`Bearer realm="http://plain.example:81/token"`)
		}, "http plain.example:81 password", "no such server"},
		"this machine": {"127.0.0.1:80", false, func(r *http.Request) *http.Response {
			if r.Header.Get("Authorization") == "" {
				return challenge("Basic")
			}
			return nil
		}, "http 127.0.0.1:80 Basic", "no such server"},
	} {
		w := &recordingTransport{answer: tc.answer}
		r := repository(t, Options{
			Dirs:        []string{files(t, map[string]string{"plain.example/hosts.toml": "server = 'http://plain.example'\n"})},
			Credentials: as(fakeregistry.User),
			Transport:   func(http.RoundTripper) http.RoundTripper { return w },
		}, tc.host+"/x:1", tc.insecure)
		_, err := r.Resolve(t.Context())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", about, err, tc.want)
		}
		if len(w.sent) == 0 || w.sent[len(w.sent)-1] != tc.sent {
			t.Errorf("%s: sent %q, want %s last", about, w.sent, tc.sent)
		}
	}
}

// TestInsecure checks that the client accepts any certificate, and also plain HTTP, from a
// registry that the user declared as insecure.
func TestInsecure(t *testing.T) {
	for about, s := range map[string]*fakeregistry.Server{"http": fakeregistry.Start(t, fakeregistry.Basic), "https": fakeregistry.StartTLS(t, fakeregistry.Basic)} {
		// Unlike for localhost, the client must find out whether the host has HTTPS.
		dir := files(t, map[string]string{"registry.example/hosts.toml": "server = 'https://" + s.Host + "'\n"})
		o := Options{Credentials: as(fakeregistry.User), Dirs: []string{dir}}
		r := repository(t, o, "registry.example/x:1", false)
		if err := write(t, r); err == nil {
			t.Errorf("%s: push to a server with an untrusted certificate: no error", about)
		}
		if err := write(t, r); about == "http" && !strings.Contains(err.Error(), `(allow HTTP with registry.insecure=true of an output or a cache, or with server = "http://registry.example" in certs.d/registry.example/hosts.toml`) {
			t.Errorf("error %v", err)
		}
		o.Dirs = nil
		r = repository(t, o, s.Host+"/x:1", true)
		if err := errors.Join(r.CheckPush(t.Context()), write(t, r), read(t, r)); err != nil {
			t.Errorf("%s: %v", about, err)
		}
	}
}

// TestHeaders checks that the client sends the headers in hosts.toml, even to a host for
// which no certificates are configured.
func TestHeaders(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	seen := make(chan string, 9)
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool { seen <- r.Header.Get("X-Test"); return false }
	dir := files(t, map[string]string{"registry.example/hosts.toml": "server = 'http://" + s.Host + "'\n[header]\nX-Test = 'yes'\n"})
	r := repository(t, Options{Dirs: []string{dir}}, "registry.example/x:1", false)
	if _, err := r.Resolve(t.Context()); err == nil {
		t.Error("no error for a missing image")
	}
	if err := r.CheckPush(t.Context()); err != nil {
		t.Error(err)
	}
	for range 3 {
		if got := <-seen; got != "yes" {
			t.Errorf("header %q", got)
		}
	}
}

// TestTransport checks that all kinds of requests use Options.Transport.
func TestTransport(t *testing.T) {
	s := fakeregistry.StartTLS(t, fakeregistry.Token)
	dir := files(t, map[string]string{"registry.example/hosts.toml": "server = '" + s.URL + "'\nca = 'ca.pem'\n", "registry.example/ca.pem": certificate(s)})
	for ref, insecure := range map[string]bool{s.Host + "/x:1": false, s.Host + "/y:1": true, "registry.example/z:1": false} {
		c := &countingTransport{}
		r := repository(t, Options{
			Dirs: []string{dir}, Credentials: as(fakeregistry.User),
			Transport: func(rt http.RoundTripper) http.RoundTripper { c.RoundTripper = rt; return c },
		}, ref, insecure)
		s.TakeRequests()
		if err := errors.Join(r.CheckPush(t.Context()), write(t, r), read(t, r)); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		if seen := len(s.TakeRequests()); seen == 0 || int(c.requests.Load()) != seen {
			t.Errorf("%s: %d of %d requests", ref, c.requests.Load(), seen)
		}
	}
}

// countingTransport is a transport that counts requests and forwards them.
type countingTransport struct {
	http.RoundTripper
	requests atomic.Int32
}

// RoundTrip implements [http.RoundTripper].
func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.RoundTripper.RoundTrip(r)
}
