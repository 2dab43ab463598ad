//go:build integration

package cachekeys

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/opencontainers/go-digest"

	"slipway/integration/toolbox"
)

// oracle is a process that computes digests with BuildKit's own code.
type oracle struct {
	in  *json.Encoder
	out *json.Decoder
}

// question is one request to an oracle. If Op is not nil, the request is for the digest of
// the LLB operation Op, otherwise for the digest of files in the directory Dir.
type question struct {
	Op []byte `json:",omitempty"`

	Dir, Path                        string
	FollowLinks, Wildcard            bool
	IncludePatterns, ExcludePatterns []string
	RequiredPaths                    []string
}

type answer struct {
	Digest digest.Digest
	Inputs []struct {
		Selector  digest.Digest
		ByContent bool
	}
	Error string
}

func startOracle(t *testing.T) *oracle {
	t.Helper()
	path, err := toolbox.Path(t.Context(), os.Stderr, "cachekeys")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if errIn != nil || errOut != nil || cmd.Start() != nil {
		t.Fatal("cannot start ", path)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &oracle{json.NewEncoder(in), json.NewDecoder(out)}
}

func (o *oracle) ask(t *testing.T, q question) answer {
	t.Helper()
	var a answer
	if err := o.in.Encode(q); err != nil {
		t.Fatal(err)
	}
	if err := o.out.Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}
