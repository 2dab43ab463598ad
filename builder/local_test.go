package builder

import (
	"net/http"
	"testing"
	"time"
)

// TestStall checks that the time limit for silent servers is two minutes by default.
func TestStall(t *testing.T) {
	o := &Options{State: t.TempDir(), Now: time.Now}
	s, err := openLocal(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := s.sources(o, &inputs{})
	if src.Stall != 2*time.Minute || src.HTTP.Transport == http.DefaultTransport {
		t.Errorf("the limit is %v, want two minutes, and one for HTTP", src.Stall)
	}
}
