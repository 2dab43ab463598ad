package solver

// ResetCacheMounts resets the cache mounts of the RUN steps in g that ignore the cache,
// as BuildKit does whenever a definition is solved.
func (j *Job) ResetCacheMounts(g *Graph) error {
	var ids []string
	for _, v := range g.Vertices {
		if !v.Meta.IgnoreCache {
			continue
		}
		for _, m := range v.Op.GetExec().GetMounts() {
			if c := m.GetCacheOpt(); c != nil {
				ids = append(ids, c.GetID())
			}
		}
	}
	if len(ids) == 0 || j.opt.Mounts == nil {
		return nil
	}
	return j.opt.Mounts.Reset(ids)
}
