import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'

// anchor returns the anchor of a heading, as GitHub makes it, so that a link works in both places.
// The Go test of docs checks links by the same rule.
function anchor(title) {
  return title.trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
}

// The program integration/manual writes sidebar.json and the pages in src.
export default defineConfig({
  title: 'Slipway',
  description: 'A Dockerfile frontend for BuildKit, and a builder that needs no daemon',
  lang: 'en-US',
  base: process.env.MANUAL_BASE ?? '/',
  srcDir: 'src',
  outDir: 'dist',
  cacheDir: 'cache',
  // One page after another: otherwise the order of the search index would depend on time.
  buildConcurrency: 1,
  // A page loads what it shows, not what its links lead to.
  router: { prefetchLinks: false },
  markdown: {
    anchor: { slugify: anchor },
    attrs: { disable: true },
    languageAlias: { dockerignore: 'ini' },
    codeTransformers: [{
      name: 'no time limit',
      // By default, a line that takes 500 ms has other colors, so the site would depend on time.
      preprocess(_, options) {
        options.tokenizeTimeLimit = 0
      },
    }],
    config(md) {
      // Pages are plain Markdown: <NAME> is text, and Dockerfile.dev is no host.
      md.set({ html: false, linkify: false })
      md.core.ruler.disable('emoji', true)
      // Short names stay on one line: browsers would break them after a hyphen.
      const code = md.renderer.rules.code_inline
      md.renderer.rules.code_inline = (tokens, i, ...rest) => {
        if (/^\S{1,22}$/.test(tokens[i].content)) tokens[i].attrJoin('class', 'name')
        return code(tokens, i, ...rest)
      }
      // Vue would read {{ as the start of an expression, also in code.
      for (const rule of ['text', 'code_inline']) {
        const render = md.renderer.rules[rule]
        md.renderer.rules[rule] = (...args) => render(...args).replaceAll('{{', '&#123;&#123;')
      }
    },
  },
  themeConfig: {
    nav: [
      { text: 'Start', link: '/getting-started' },
      { text: 'Dockerfile', link: '/reference/dockerfile/' },
      { text: 'Commands', link: '/reference/cli/' },
      { text: 'Rules', link: '/rules/' },
    ],
    sidebar: JSON.parse(readFileSync(new URL('sidebar.json', import.meta.url), 'utf8')),
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        miniSearch: { searchOptions: { boost: { title: 6, titles: 2, text: 1 }, combineWith: 'AND' } },
      },
    },
  },
})
