package solver

func scheduleCases() []scheduleCase {
	return []scheduleCase{
		// Vertices that run.
		{"a chain runs once", `
			a = +1
			b = a +2
			build b: a b
			build b:
			cached: a b`},
		{"operations that the target does not need do not run", `
			a = +1
			b = a +2
			other = a +3
			build b: a b`},
		{"a shared input runs once", `
			a = +1
			b = a +2
			c = a +3
			d = b c +4
			build d: a b c d
			build d:`},
		{"an input that is used twice runs once", `
			a = +1
			b = a a* +2
			build b: a b`},
		{"second outputs", `
			a = two +1
			b = a.1 +2
			c = a b +3
			build c: a b c
			build c:`},
		{"a source runs", `
			s = remote +1
			build s: s
			build s:`},
		{"a source with other content", `
			s = remote +1
			b = s +1
			build b: s b
			s = remote +2
			build b: s b
			s = remote +1
			build b:`},

		// Keys.
		{"a changed operation and its dependents run", `
			a = +1
			b = a +2
			c = b +3
			build c: a b c
			b = a +5
			build c: b c
			b = a +2
			build c:`},
		{"operations that do not depend on a change are hits", `
			a = +1
			b = +2
			c = a b +3
			build c: a b c
			b = +5
			build c: b c`},
		{"the same content from another operation is a hit", `
			a = +1
			b = a* +2
			build b: a b
			x = +0
			a = x +1
			build b: x a`},
		{"an input with another identity but the same content is a miss", `
			a = +1
			b = a +2
			build b: a b
			x = +0
			a = x +1
			build b: x a b`},
		{"changed content is a miss", `
			a = +1
			b = a* +2
			build b: a b
			a = +2
			build b: a b`},
		{"dependents of unchanged content are hits", `
			a = +1
			b = a* +2
			c = b +3
			build c: a b c
			x = +0
			a = x +1
			build c: x a`},
		{"whole and content", `
			a = +1
			b = +2
			c = a b* +3
			build c: a b c
			x = +0
			b = x +2
			build c: x b
			a = x +1
			build c: a c`},
		{"a local source is read for the key", `
			s = local +1
			b = s* +2
			build b: s b
			build b:
			cached: b
			s = local +2
			build b: s b`},
		{"a local source that only one of two copies reads", `
			s = local +1
			b = s* +2
			c = b +3
			d = c s* +4
			build d: s b c d
			build d:`},
		{"another target has the results of the first", `
			a = +1
			b = a +2
			c = b* +3
			build b: a b
			build c: c`},
		{"an operation whose result was deleted runs again", `
			a = +1
			b = a +2
			build b: a b
			forget 3
			build b: b
			forget 1
			build b:
			forget 3
			build b: a b`},
		{"a deleted input runs again for its content", `
			a = +1
			b = a* +2
			build b: a b
			forget 1
			build b: a`},
		{"an empty cache", `
			a = +1
			b = a* +2
			build b: a b
			fresh
			build b: a b`},

		// Vertices that ignore the cache.
		{"a vertex that ignores the cache runs", `
			a = +1 nocache
			build a: a
			build a: a`},
		{"its dependents are not hits by the key of an earlier run", `
			a = +1 random
			b = a +2
			build b: a b
			a = +1 random nocache
			build b: a b
			build b: a b
			a = +1 random
			build b:`},
		{"later builds get the result of the last run", `
			a = +1 random
			b = a +2
			build a: a
			a = +1 random nocache
			build a: a
			a = +1 random
			build b: b`},
		{"its dependents run even if its outputs are the same", `
			a = +1
			b = a +2
			build b: a b
			a = +1 nocache
			build b: a b
			build b: a b
			a = +1
			build b:`},
		{"dependents of a step after it are hits if the step has the same outputs", `
			a = +1
			b = a +2
			c = b +3
			d = c +4
			build d: a b c d
			a = +1 nocache
			build c: a b
			cached: c
			build d: a b
			cached: c d
			a = +1
			build d:`},
		{"a dependent with the same outputs as before, which were deleted", `
			a = +1
			b = a +2
			c = b +3
			build c: a b c
			a = +1 nocache
			forget 3
			build c: a b c
			build c: a b`},
		{"a vertex that ignores the cache after another one", `
			a = +1 nocache
			b = a +2 nocache
			c = b +3
			d = c +4
			build d: a b c d
			build d: a b c
			build d: a b c
			a = +1
			build d: b c`},
		{"a dependent with more inputs", `
			a = +1
			x = +5
			b = a x x* +2
			c = b +3
			build c: a b c x
			a = +1 nocache
			build c: a b
			x = +6
			build c: a b c x`},
		{"a chain of two dependents", `
			a = +1 random
			b = a +2
			c = b +3
			build c: a b c
			a = +1 random nocache
			build c: a b c
			build c: a b c`},
		{"a dependent by content is a hit if the content is the same", `
			a = +1 nocache
			b = a* +2
			build b: a b
			build b: a`},
		{"a dependent of a dependent by content is a hit if the content is the same", `
			a = +1 nocache
			x = +5
			b = x a* +2
			c = b +3
			build c: a b c x
			build c: a
			cached: b c x`},
		{"a dependent by content is a miss if the content is new", `
			a = +1 random nocache
			b = a* +2
			build b: a b
			build b: a b`},
		{"a vertex in the middle ignores the cache", `
			a = +1
			b = a +2 random
			c = b +3
			build c: a b c
			b = a +2 random nocache
			build c: b c
			build c: b c`},
		{"the target ignores the cache", `
			a = +1
			b = a +2 random
			build b: a b
			b = a +2 random nocache
			build b: b`},
		{"one of two branches ignores the cache", `
			a = +1 random
			b = a +2
			c = +4
			d = b c +5
			build d: a b c d
			a = +1 random nocache
			build d: a b d
			cached: c`},
		{"a stage whose only use is by content", `
			a = +1 random
			b = a +2
			c = +4
			d = c b* +5
			build d: a b c d
			a = +1 random nocache
			build d: a b d`},
		{"a source that ignores the cache is fetched, and its dependents are hits by content", `
			s = remote +1
			b = s +2
			build b: s b
			s = remote +1 nocache
			build b:
			build s: s`},
		{"a vertex that ignores the cache is not imported", `
			a = +1 random
			b = a +2
			build b: a b
			import
			fresh
			a = +1 random nocache
			build b: a b
			loaded:`},
		{"its dependents are not imported by its identity", `
			a = +1 random
			b = a +2
			c = b +3
			build c: a b c
			import
			a = +1 random nocache
			build c: a b c
			loaded:`},
		{"its dependents by content are imported", `
			a = +1
			b = a* +2
			build b: a b
			import
			fresh
			a = +1 nocache
			build b: a
			loaded: 3`},

		// Concurrency: test vertices that meet must run concurrently.
		{"two inputs", `
			a = meet +1
			b = meet +2
			c = a b +3
			build c: a b c`},
		{"two inputs by content", `
			a = meet +1
			b = meet +2
			c = a* b* +3
			build c: a b c`},
		{"whole and content", `
			a = meet +1
			b = meet +2
			c = a b* +3
			build c: a b c`},
		{"copies after each other", `
			base = remote +1
			a = base meet +1
			b = base meet +2
			c = base a* +3
			d = c b* +4
			build d: base a b c d`},
		{"copies after each other, then a step", `
			base = remote +1
			a = base meet +1
			b = base meet +2
			c = base a* +3
			d = c b* +4
			e = d +5
			build e: base a b c d e`},
		{"a step, then a copy", `
			base = remote +1
			a = base meet +1
			b = base meet +2
			c = a b* +3
			build c: base a b c`},
		{"a step, then copies of three stages", `
			a = meet +1
			x = meet +2
			y = meet +3
			z = meet +4
			b = a x* +5
			c = b y* +5
			d = c z* +5
			build d: a b c d x y z`},
		{"stages that copy from stages", `
			a = meet +1
			b = meet +2
			x = a* +3
			y = b* +4
			z = x* y* +5
			build z: a b x y z`},
		{"merged trees", `
			a = meet +1
			b = meet +2
			copy = b* +3
			merge = a copy +4
			build merge: a b copy merge`},
		{"vertices that ignore the cache", `
			a = meet +1 nocache
			b = meet +2 nocache
			c = a b* +3 nocache
			d = c +4
			build d: a b c d
			build d: a b c d`},
		{"four stages based on one", `
			a = meet +1
			b = meet +2
			c = meet +3
			d = meet +4
			e = a b* c d* +5
			build e: a b c d e`},
		{"a cached input is not prefetched", `
			a = +1
			b = +2
			c = a b* +3
			build c: a b c
			b = +2 nocache
			build c: b`},

		// Runners.
		{"results of another runner are not used", `
			a = +1
			b = a +2
			c = a b merge
			runner portable
			build c: a b c
			build c:
			runner
			build c: a b c
			build c:
			runner portable
			build c:
			runner other
			build c:`},
		{"results of real processes are used with every runner", `
			a = +1
			b = a +2
			build a: a
			runner portable
			build b: b
			build b:
			runner
			build b: b`},
		{"content from another runner is part of the key, not its runner", `
			a = +1
			b = a* +2
			c = a* b merge
			runner portable
			build c: a b c
			runner
			build c: a b c`},
		{"a step that ignores the cache with another runner", `
			a = +1
			b = a +2
			build b: a b
			runner portable
			a = +1 nocache
			build b: a b
			a = +1
			build b:
			runner
			build b:`},
		{"exports of another runner are used with the same runner only", `
			a = +1
			b = a +2
			c = a b merge
			runner portable
			build c: a b c
			import
			fresh
			build c:
			build c:
			runner other
			fresh
			build c: a b c
			runner
			build c: a b c
			runner portable
			build c:`},
		{"exports of real processes are used with every runner", `
			a = +1
			b = a +2
			c = a b merge
			build c: a b c
			import
			fresh
			runner portable
			build c:
			fresh
			d = c +4
			build d: d
			runner
			build d: d`},
		{"exports of a build that used results of real processes", `
			s = remote
			a = s +1
			b = a +2
			c = b a merge
			build a: s a
			runner portable
			build c: b c
			import
			runner
			fresh
			build a:
			build c: b c
			runner portable
			fresh
			build c:
			runner
			build c: b c`},

		// Imports.
		{"all steps are in the import", `
			a = +1
			b = a +2
			build b: a b
			import
			fresh
			build b:
			loaded: 3
			cached: a b`},
		{"imported steps do not run later, with or without the import", `
			a = +1
			b = a +2
			build b: a b
			import
			fresh
			c = b +3
			build c: c
			build c:
			noimport
			build c:`},
		{"steps after imported content do not run later, with or without the import", `
			a = +1
			b = a* +2
			build b: a b
			import
			fresh
			c = b +3
			build c: c
			loaded: 3
			build c:
			loaded:
			noimport
			build c:`},
		{"the same if the content was evaluated meanwhile", `
			a = +1
			b = a* +2
			build b: a b
			import
			fresh
			c = b +3
			build c: c
			noimport
			build a: a
			build c:`},
		{"two copies in a row", `
			a = +1
			x = +2
			b = a* +3
			c = b x* +4
			d = c +5
			build c: a b c x
			import
			fresh
			build d: d
			noimport
			build d:`},
		{"an import with the last result only, after content that it lacks", `
			s = remote +1
			a = s +1
			b = a* +2
			c = s b +3
			d = c +4
			build d: s a b c d
			import min
			fresh
			build d:
			loaded: 12
			noimport
			build d:
			build b: s a b
			build d:`},
		{"an import does not match after its input ran again", `
			s = remote +1
			a = s +1 random
			b = a* +2
			c = b +3
			build c: s a b c
			import
			fresh
			build b:
			noimport
			a = s +1 random nocache
			build b: s a b
			a = s +1 random
			build c: c`},
		{"an import that the target does not need is not fetched", `
			s = remote +1
			a = s +1
			x = s +2
			c = a x* +4
			build c: s a c x
			import
			fresh
			y = s +1
			x = y +1
			build c: s x y
			loaded: 9`},
		{"the local cache is preferred to an import", `
			a = +1
			b = a +2
			build b: a b
			import
			build b:
			loaded:`},
		{"the local cache is preferred to an import for content", `
			a = +1
			b = a* +2
			build b: a b
			import
			build b:
			loaded:`},
		{"an import with the last result only", `
			a = +1
			b = a +2
			c = b +3
			build b: a b
			import min
			fresh
			build c: c
			loaded: 3
			cached: a b`},
		{"a changed step with an import of the last result only", `
			a = +1
			b = a +2
			build b: a b
			import min
			fresh
			b = a +3
			build b: a b
			loaded:`},
		{"an import matches by the content of its input", `
			a = +1
			b = a* +2
			build b: a b
			import
			fresh
			x = +0
			a = x +1
			build b: x a
			loaded: 3
			noimport
			build b:`},
		{"a local source", `
			s = local +1
			b = s* +2
			c = b +3
			build c: s b c
			import
			fresh
			build c: s
			loaded: 6
			noimport
			build c:`},
		{"a local source with other content", `
			s = local +1
			b = s* +2
			build b: s b
			import
			fresh
			s = local +2
			build b: s b
			loaded:`},
		{"sources are not imported", `
			s = remote +1
			b = s +2
			build b: s b
			import
			fresh
			build s: s
			loaded:`},
		{"if a result cannot be fetched, its step runs and the failure is reported once", `
			s = remote +1
			a = s +1
			b = a +2
			build b: s a b
			import
			break 4
			fresh
			build b: b
			loaded: 2
			failed: b
			noimport
			build b:`},
		{"a step after content that cannot be fetched", `
			s = remote +1
			a = s +1
			b = a* +2
			c = b +3
			build b: s a b
			import
			break 4
			fresh
			build c: b c
			loaded: 2
			failed: b
			noimport
			build c:`},
		{"no imported result can be fetched", `
			s = remote +1
			a = s +1
			b = a* +2
			c = b +3
			build c: s a b c
			import
			break 2
			break 4
			break 7
			fresh
			build c: s a b c
			failed: a b c
			build c:
			failed:
			noimport
			build c:`},
		{"imported results are exported again", `
			a = +1
			b = a* +2
			build b: a b
			import
			fresh
			build b:
			import
			fresh
			build b:
			loaded: 3`},
		{"an import of a part", `
			a = +1
			b = a +2
			c = b* +3
			build b: a b
			import
			fresh
			build c: c
			loaded: 3`},

		// Errors.
		{"a step fails", `
			a = +1
			b = a +2 fails
			c = b +3
			fails c: a b
			fails c: b`},
		{"a failed step is not cached", `
			a = +1 fails
			fails a: a
			a = +1
			build a: a`},
		{"a source cannot be resolved", `
			s = remote badmap
			b = s +1
			fails b:`},
		{"the key of a step cannot be computed", `
			a = +1
			b = a* +2 badkey
			c = b +3
			fails c: a
			started: a b`},
		{"an input whose content is part of the key fails", `
			a = +1 fails
			b = a* +2
			fails b: a`},
		{"a broken cache map of a step", `
			a = +1
			b = a +2 badmap
			c = b* +3
			fails c:`},
		{"a step that is not needed fails", `
			a = +1 fails
			b = +2
			build b: b`},
	}
}
