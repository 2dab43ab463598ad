package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/containerd/platforms"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/source"
)

// Limits for the size of a recorded result in the archive of a test case.
const (
	maxLines   = 200  // maximum number of lines in a section
	shownLines = 20   // number of lines that remain from a longer section
	maxLine    = 1500 // maximum number of bytes in a line
)

var fullDigest = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)

// Compact shortens a text as [Limit] does. It also shortens each digest in the text to 12 hex
// digits.
func Compact(text string) string {
	return Limit(fullDigest.ReplaceAllString(text, "$1…"))
}

// Limit shortens a text so that a test case can contain it as a recorded result. It replaces a
// line that is too long with the start of the line and a digest of the whole line. It replaces
// a text with too many lines with the first lines and a digest of the whole text.
func Limit(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if len(line) > maxLine {
			lines[i] = fmt.Sprintf("%s… %d bytes, %s\n", strings.ToValidUTF8(line[:maxLine/4], ""), len(line), Short(line))
		}
	}
	if n := len(lines) - 1; n > maxLines {
		lines = append(lines[:shownLines:shownLines], fmt.Sprintf("… %d lines, %s\n", n, Short(text)))
	}
	return strings.Join(lines, "")
}

// Short returns the first 12 hex digits of the digest of a text.
func Short(text string) string { return digest.FromString(text).Encoded()[:12] }

// Image returns an image config as text, one field per line. For layers and history entries
// that come from the base image, it prints only their number. The parameter base is the config
// of the base image, or nil if the image has no base image.
func Image(img, base *dockerspec.DockerOCIImage) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "platform %s\n", platforms.FormatAll(img.Platform))
	own := *img
	if base != nil {
		if n := len(base.RootFS.DiffIDs); n > 0 && reflect.DeepEqual(own.RootFS, base.RootFS) {
			fmt.Fprintf(&b, "rootfs of the base, %d layers\n", n)
			own.RootFS = ocispecs.RootFS{}
		}
		if n := len(base.History); n > 0 && n <= len(own.History) && reflect.DeepEqual(own.History[:n], base.History) {
			fmt.Fprintf(&b, "history of the base, %d lines\n", n)
			own.History = own.History[n:]
		}
	}
	for _, h := range own.History {
		if err := printJSON(&b, "history", h); err != nil {
			return "", err
		}
	}
	own.History = nil
	if err := printFields(&b, &own); err != nil {
		return "", err
	}
	return b.String(), nil
}

// printFields prints each field of an image config on a line, as its name and JSON value. It
// prints the fields of the object "config" in the same way, and omits the platform.
func printFields(b *strings.Builder, img *dockerspec.DockerOCIImage) error {
	data, err := compactJSON(img)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	for _, name := range sortedKeys(fields) {
		switch name {
		case "os", "architecture", "variant", "os.version", "os.features":
			continue // printed as part of the platform
		case "rootfs":
			if img.RootFS.Type == "" && len(img.RootFS.DiffIDs) == 0 {
				continue
			}
		case "config":
			var config map[string]json.RawMessage
			if err := json.Unmarshal(fields[name], &config); err != nil {
				return err
			}
			for _, key := range sortedKeys(config) {
				if err := printJSON(b, key, config[key]); err != nil {
					return err
				}
			}
			continue
		}
		if err := printJSON(b, name, fields[name]); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(b *strings.Builder, name string, v any) error {
	data, err := compactJSON(v)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "%s %s\n", name, data)
	return nil
}

// compactJSON returns v as JSON on one line, without HTML escapes.
func compactJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(buf.Bytes()), err
}

// Error returns the text of a build's error as users see it, shortened by [Limit].
func Error(err error) string {
	d, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok {
		d = diag.Errorf(source.Range{}, "%w", err)
	}
	return Findings(diag.List{d})
}

// Findings returns the text of errors and warnings as users see them, shortened by [Limit].
func Findings(list diag.List) string {
	var b strings.Builder
	_ = diag.Text(&b, list, diag.TextOptions{}) // writing to a strings.Builder never fails
	return Limit(b.String())
}
