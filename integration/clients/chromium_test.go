//go:build integration

package clients

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"slipway/integration/contained"
	"slipway/integration/rig"
)

// chromium is a headless Chromium with one page. It is controlled by the Chrome DevTools Protocol:
// JSON messages that end with a NUL byte, through two pipes.
type chromium struct {
	t        *testing.T
	in       *os.File
	out      *bufio.Reader
	id       int
	session  string
	requests []string // URLs that the page has requested
}

// message is a message of the protocol: a response, or an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Params json.RawMessage `json:"params"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// openPage starts Chromium and opens a URL in it. It waits until the page is loaded.
func openPage(t *testing.T, url string) *chromium {
	t.Helper()
	if err := rig.EnsurePackages(t.Context(), t.Output(), "chromium"); err != nil {
		t.Fatal(err)
	}
	fromTest, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, toTest, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Root has no sandbox in Chromium. The page is ours, and has no network.
	cmd := exec.Command(rig.Chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--remote-debugging-pipe", "--window-size=1200,1000", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{fromTest, toTest} // file descriptors 3 and 4
	var told strings.Builder
	cmd.Stdout, cmd.Stderr = &told, &told
	p, err := contained.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	fromTest.Close()
	toTest.Close()
	t.Cleanup(func() {
		in.Close()
		p.Stop(10 * time.Second)
		out.Close()
		if t.Failed() {
			t.Log(told.String())
		}
	})
	if err := out.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	c := &chromium{t: t, in: in, out: bufio.NewReader(out)}
	var target struct{ TargetID, SessionID string }
	c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	c.session = target.SessionID
	c.call("Network.enable", nil, nil)
	c.call("Page.enable", nil, nil)
	c.call("Page.navigate", map[string]any{"url": url}, nil)
	for c.read().Method != "Page.loadEventFired" {
	}
	return c
}

// read reads a message. It records the URL of a request.
func (c *chromium) read() *message {
	c.t.Helper()
	data, err := c.out.ReadBytes(0)
	if err != nil {
		c.t.Fatalf("chromium: %v", err)
	}
	m := &message{}
	if err := json.Unmarshal(data[:len(data)-1], m); err != nil {
		c.t.Fatalf("chromium: %v: %s", err, data)
	}
	if m.Method == "Network.requestWillBeSent" {
		var event struct{ Request struct{ URL string } }
		if err := json.Unmarshal(m.Params, &event); err != nil {
			c.t.Fatal(err)
		}
		c.requests = append(c.requests, event.Request.URL)
	}
	return m
}

// call calls a method and stores its result, unless result is nil.
func (c *chromium) call(method string, params, result any) {
	c.t.Helper()
	c.id++
	request := map[string]any{"id": c.id, "method": method}
	if params != nil {
		request["params"] = params
	}
	if c.session != "" {
		request["sessionId"] = c.session
	}
	data, err := json.Marshal(request)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(data, 0)); err != nil {
		c.t.Fatal(err)
	}
	for {
		m := c.read()
		if m.ID != c.id {
			continue
		}
		if m.Error != nil {
			c.t.Fatalf("chromium: %s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				c.t.Fatal(err)
			}
		}
		return
	}
}

// eval evaluates a JavaScript expression and stores its value.
func (c *chromium) eval(expression string, value any) {
	c.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		c.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	if err := json.Unmarshal(answer.Result.Value, value); err != nil {
		c.t.Fatalf("%s: %v", expression, err)
	}
}

// click presses and releases the left mouse button over the middle of an element.
func (c *chromium) click(selector string) {
	c.t.Helper()
	var at [2]float64
	c.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "nearest", inline: "nearest"}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`, selector), &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		c.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil)
	}
}

// visible returns the texts of the elements that the page shows, without leading and trailing
// space.
func (c *chromium) visible(selector string) []string {
	c.t.Helper()
	var texts []string
	c.eval(fmt.Sprintf(`[...document.querySelectorAll(%q)].filter(e => e.checkVisibility()).map(e => e.innerText.trim())`, selector), &texts)
	return texts
}
