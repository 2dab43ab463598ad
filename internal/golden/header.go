package golden

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// header contains the values from the header of a test case that [Case] does not store.
type header struct{ quoted map[string]bool }

func parseHeader(c *Case, comment string) (*header, error) {
	h := &header{quoted: map[string]bool{}}
	var title []string
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if t, ok := strings.CutPrefix(line, "# "); ok {
			title = append(title, t)
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || value == "" {
			return nil, fmt.Errorf("header line %q is not of the form key: value", line)
		}
		if err := setHeader(c, h, key, value); err != nil {
			return nil, fmt.Errorf("header %s: %w", key, err)
		}
	}
	c.Title = strings.Join(title, " ")
	if c.Title == "" {
		return nil, errors.New("no title")
	}
	if len(c.Worker) == 0 {
		c.Worker = []string{"linux/amd64"}
	}
	return h, nil
}

func setHeader(c *Case, h *header, key, value string) error {
	switch key {
	case "section":
		c.Section = value
	case "opts":
		return parseOpts(c.Opts, value)
	case "platforms":
		for _, p := range strings.Fields(value) {
			if p == "none" {
				p = ""
			}
			c.platforms = append(c.platforms, p)
		}
	case "worker":
		c.Worker = append(c.Worker, strings.Fields(value)...)
	case "caps":
		for _, word := range strings.Fields(value) {
			name, ok := strings.CutPrefix(word, "-")
			if !ok {
				return fmt.Errorf("%q does not start with -", word)
			}
			c.MissingCaps = append(c.MissingCaps, name)
		}
	case "differs":
		kind, why, ok := strings.Cut(value, ":")
		why = strings.TrimSpace(why)
		if !ok || why == "" {
			return errors.New("is not of the form kind: why")
		}
		c.Differs = append(c.Differs, Excuse{Kind: kind, Why: why})
	case "refused":
		c.Refused = value
	case "encoding":
		file, encoding, _ := strings.Cut(value, " ")
		if encoding != "quoted" {
			return fmt.Errorf("unknown encoding %q", encoding)
		}
		h.quoted[file] = true
	case "last-modified":
		url, at, _ := strings.Cut(value, " ")
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			return err
		}
		c.LastModified[url] = at
	case "policy":
		from, to, ok := strings.Cut(value, " ")
		if !ok || !strings.Contains(to, "://") {
			return errors.New("is not of the form identifier identifier")
		}
		c.Policy[from] = to
	default:
		return errors.New("is unknown")
	}
	return nil
}

// parseOpts parses space-separated options of the form key=value and adds them to opts.
func parseOpts(opts map[string]string, s string) error {
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok || key == "" || strings.Contains(key, " ") {
			return fmt.Errorf("%q is not of the form key=value", s)
		}
		var value string
		if q, err := strconv.QuotedPrefix(rest); err == nil {
			if value, err = strconv.Unquote(q); err != nil {
				return err
			}
			s = rest[len(q):]
			if s != "" && s[0] != ' ' {
				return fmt.Errorf("%q follows a quoted value", s)
			}
		} else {
			value, s, _ = strings.Cut(rest, " ")
		}
		if _, ok := opts[key]; ok {
			return fmt.Errorf("option %s is set twice", key)
		}
		opts[key] = value
	}
	return nil
}
