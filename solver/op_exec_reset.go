package solver

// ResetCacheMounts discards the content of the cache mounts of each RUN step in g that
// ignores the cache (--no-cache). BuildKit does the same for every definition that it
// solves.
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
