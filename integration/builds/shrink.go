package builds

import (
	"slices"
	"strings"
)

// A cut is a function that removes a part of a case. It returns a function that restores the
// part.
type cut func() (undo func())

// Shrink removes parts of c as long as the smaller case still fails. The callback fails
// reports whether a case fails, and is called at most limit times.
func Shrink(c *Case, limit int, fails func(*Case) bool) {
	for again := true; again; {
		again = false
		for at := 0; ; {
			cuts := c.cuts()
			if at >= len(cuts) {
				break
			}
			if limit--; limit < 0 {
				return
			}
			undo := cuts[at]()
			if fails(c) {
				again = true // the cut after a successful one now has its index
			} else {
				undo()
				at++
			}
		}
	}
}

// cuts returns all cuts that make the case smaller. The cuts that remove the largest parts
// come first.
func (c *Case) cuts() []cut {
	list := removals(&c.Changes, 0)
	if len(c.Stages) > 1 {
		list = append(list, removals(&c.Stages, 0)...)
	}
	for _, s := range c.Stages {
		list = append(list, s.cuts()...)
	}
	list = append(list, removals(&c.Files, 0)...)
	list = append(list, removals(&c.Headers, 0)...)
	list = append(list, removals(&c.Ignore, 0)...)
	for _, ch := range c.Changes {
		list = append(list, removals(&ch.Edits, 0)...)
		list = append(list, removals(&ch.Files, 0)...)
		list = append(list, removals(&ch.Headers, 0)...)
		for _, e := range ch.Edits {
			if e.New != nil {
				list = append(list, e.New.cuts()...)
			}
		}
	}
	for _, s := range c.Stages {
		for _, i := range s.Instructions {
			list = append(list, i.cuts()...)
		}
	}
	for _, f := range c.Files {
		list = append(list, f.cuts()...)
	}
	return list
}

// cuts returns functions that each simplify or remove one part of the stage. None of them
// removes the stamp, the instruction that keeps cases from sharing cached stages.
func (s *Stage) cuts() []cut {
	var list []cut
	if text := s.From.Args[0].Text; text != "busybox" && text != "scratch" {
		list = append(list, func() func() {
			s.From.Args[0].Text = "busybox"
			return func() { s.From.Args[0].Text = text }
		})
	}
	for n, i := range s.Instructions {
		if !i.isStamp() {
			list = append(list, remove(&s.Instructions, n))
		}
	}
	return list
}

func (i *Instruction) cuts() []cut {
	if i.isStamp() {
		return nil
	}
	list := append(removals(&i.Flags, 0), removals(&i.Args, 1)...)
	if i.Heredoc {
		list = append(list, func() func() {
			old := *i
			i.Heredoc, i.Sep = false, "; "
			return func() { *i = old }
		})
	}
	return list
}

func (f *File) cuts() []cut {
	list := removals(&f.Xattrs, 0)
	if f.Kind == "archive" {
		lines := strings.SplitAfter(f.Content, "\n")
		for n := range lines {
			list = append(list, func() func() {
				old := f.Content
				f.Content = strings.Join(slices.Delete(slices.Clone(lines), n, n+1), "")
				return func() { f.Content = old }
			})
		}
	}
	for _, s := range []*string{&f.Mode, &f.Time} {
		if *s != "" && f.Kind == "file" {
			list = append(list, func() func() {
				old := *s
				*s = ""
				return func() { *s = old }
			})
		}
	}
	if f.Size > 0 {
		list = append(list, func() func() {
			old := f.Size
			f.Size = 0
			return func() { f.Size = old }
		})
	}
	return list
}

// removals returns one function for each element of s. The function removes its element, and
// returns a function that restores the element. If s has at most minimum elements, removals
// returns nil.
func removals[T any](s *[]T, minimum int) []cut {
	var list []cut
	if len(*s) <= minimum {
		return nil
	}
	for n := range *s {
		list = append(list, remove(s, n))
	}
	return list
}

func remove[T any](s *[]T, n int) cut {
	return func() func() {
		old := *s
		*s = slices.Delete(slices.Clone(old), n, n+1)
		return func() { *s = old }
	}
}
