package lsp

import (
	"context"
	"slices"
	"strings"

	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// links returns the links to the pages of images and to the URLs of ADD. Names with variables have
// no links.
func (s *server) links(ctx context.Context, snap *snapshot, _ documentParams) (any, error) {
	list := []documentLink{}
	f := snap.load(ctx)
	add := func(r source.Range, target, tooltip string) {
		if target != "" && f.Contains(r) && r.Start < r.End {
			list = append(list, documentLink{snap.mapper.textRange(r), target, tooltip})
		}
	}
	if f.Syntax == nil {
		return list, nil
	}
	if d := f.Syntax.Directive("syntax"); d != nil {
		add(d.Value.Range(), imagePage(strings.TrimSpace(d.Value.String())), "the image of the syntax")
	}
	for _, st := range f.Stages {
		if base := st.Syntax.From.Base; st.Base == nil && base.Value != "scratch" {
			add(base.Text.Range(), imagePage(base.Value), "the base image")
		}
		for _, in := range st.Instructions {
			c, ok := in.Command.(*instructions.Copy)
			if !ok {
				continue
			}
			for _, src := range c.Sources {
				if link := linkOf(src); c.Add {
					add(src.Text.Range(), link, "")
				}
			}
			if isImage := strings.ContainsAny(c.From.Value, "/:"); isImage {
				add(c.From.Text.Range(), imagePage(c.From.Value), "the image with the files")
			}
		}
	}
	slices.SortStableFunc(list, func(a, b documentLink) int {
		if a.Range.Start.Line != b.Range.Start.Line {
			return a.Range.Start.Line - b.Range.Start.Line
		}
		return a.Range.Start.Character - b.Range.Start.Character
	})
	return list, nil
}

// linkOf returns a source of ADD if it is a URL without variables, or "".
func linkOf(w parser.Word) string {
	if (strings.HasPrefix(w.Value, "https://") || strings.HasPrefix(w.Value, "http://")) && !strings.ContainsAny(w.Value, "$\"'<> ") {
		return w.Value
	}
	return ""
}

// imagePage returns the address of the page that describes an image, or "" if no such page is
// known.
func imagePage(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-/:") != "" {
		return ""
	}
	host, path, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host, path = "docker.io", name
	}
	switch host {
	case "docker.io", "index.docker.io":
		path = strings.TrimPrefix(path, "library/")
		switch strings.Count(path, "/") {
		case 0:
			return "https://hub.docker.com/_/" + path
		case 1:
			return "https://hub.docker.com/r/" + path
		}
	case "quay.io":
		return "https://quay.io/repository/" + path
	case "mcr.microsoft.com":
		return "https://mcr.microsoft.com/artifact/mar/" + path
	case "ghcr.io", "gcr.io":
		return "https://" + host + "/" + path
	}
	return ""
}
