// Tests of the site in headless Chromium. They need no server and no network: the test answers
// the requests of the browser with the files of the site.
//
//   SITE      directory of the site
//   CHROMIUM  path of the browser
//   SHOTS     directory for screenshots of some pages, if set
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'

const site = process.env.SITE
const origin = 'http://manual.test'
const widths = [360, 1400]
const types = {
  '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml',
  '.json': 'application/json', '.woff2': 'font/woff2', '.txt': 'text/plain',
}

// On a busy machine, the watchdog would end the process that draws, and then the browser.
const args = ['--no-sandbox', '--disable-gpu', '--disable-gpu-watchdog']

let browser, context
const foreign = [] // requests to other hosts
const problems = [] // missing files, errors in scripts

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args })
  context = await browser.newContext({ reducedMotion: 'reduce' })
  context.setDefaultTimeout(timeout)
  await context.route(() => true, answer)
  context.on('weberror', (e) => problems.push(`${e.page()?.url()}: ${e.error()}`))
  context.on('console', (m) => {
    if (m.type() === 'error') problems.push(`${m.page()?.url()}: ${m.text()}`)
  })
})

after(() => browser?.close())

// answer answers a request with a file of the site.
async function answer(route) {
  const url = new URL(route.request().url())
  if (url.origin !== origin) {
    foreign.push(url.href)
    return route.abort()
  }
  const path = url.pathname.endsWith('/') ? url.pathname + 'index.html' : decodeURIComponent(url.pathname)
  try {
    await route.fulfill({ body: readFileSync(join(site, path)), contentType: types[extname(path)] })
  } catch (err) {
    problems.push(`${url.pathname}: ${err.code}`)
    await route.fulfill({ status: 404, body: '' })
  }
}

// open opens a page and waits until its scripts have taken over.
async function open(page, path) {
  await page.goto(origin + path)
  await page.waitForFunction(() => document.querySelector('#app')?.__vue_app__)
}

const paths = readdirSync(site, { recursive: true })
  .filter((f) => f.endsWith('.html') && f !== '404.html')
  .map((f) => '/' + f.replaceAll('\\', '/'))
  .sort()
// The pages and the browser share two cores with other work, so nothing has a short limit.
const timeout = 60_000

test('search finds --parents', async () => {
  const page = await context.newPage()
  await page.setViewportSize({ width: 1400, height: 900 })
  await open(page, '/index.html')
  await page.keyboard.press('Control+k')
  await page.locator('.VPLocalSearchBox input').fill('--parents')
  const first = page.locator('.VPLocalSearchBox .result').first()
  await first.waitFor()
  assert.match((await first.innerText()).replace(/\s+/g, ' '), /COPY.*--parents/)
  await page.keyboard.press('Enter')
  await page.waitForURL(origin + '/reference/dockerfile/copy.html#--parents')
  const heading = page.locator('[id="--parents"]')
  await heading.waitFor()
  await page.waitForFunction(() => {
    const top = document.getElementById('--parents').getBoundingClientRect().top
    return top >= 0 && top < 400
  })
  await page.close()
})

test('search works on a phone, also for errors and rules', async () => {
  const page = await context.newPage()
  await page.setViewportSize({ width: 360, height: 740 })
  for (const [words, want] of [
    ['DL3008', 'UnpinnedApt'],
    ['missing a value on flag', 'Errors'],
    ['SOURCE_DATE_EPOCH', 'Reproducible images'],
    ['kaniko', 'From kaniko'],
  ]) {
    await open(page, '/index.html')
    await page.locator('.VPNavBarSearch button').first().click()
    await page.locator('.VPLocalSearchBox input').fill(words)
    await page.locator('.VPLocalSearchBox .result', { hasText: want }).first().waitFor()
  }
  await page.close()
})

// withoutScripts returns a context in which pages have only their HTML and CSS.
async function withoutScripts(viewport) {
  const plain = await browser.newContext({ javaScriptEnabled: false, viewport })
  await plain.route(() => true, answer)
  return plain
}

test('pages without scripts have their text', async () => {
  const plain = await withoutScripts()
  const page = await plain.newPage()
  await page.goto(origin + '/reference/dockerfile/copy.html')
  assert.match(await page.locator('main').innerText(), /Keep the directories of each source/)
  await plain.close()
})

// Pages of each kind.
const samples = ['/index', '/getting-started', '/reference/dockerfile/copy', '/reference/cli/build', '/reference/errors', '/guides/rootless', '/rules/index'].map((path) => path + '.html')

// excess returns by how many pixels a page is too wide. Elements may scroll, such as code, but not
// the page.
const excess = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)

test('pages fit', async () => {
  const page = await context.newPage()
  for (const path of samples) {
    await open(page, path)
    for (const width of widths) {
      await page.setViewportSize({ width, height: 900 })
      assert.equal(await excess(page), 0, `${path} at ${width}`)
    }
  }
  await page.close()
})

if (process.env.SHOTS) test('screenshots', async () => {
  const page = await context.newPage()
  for (const path of samples) {
    for (const width of widths) {
      await page.setViewportSize({ width, height: 900 })
      await open(page, path)
      await page.screenshot({ path: join(process.env.SHOTS, path.slice(1, -5).replaceAll('/', '-') + `-${width}.png`) })
    }
  }
  await page.close()
})

// All pages, on a phone and without scripts, which takes a third of the time.
test('links lead to pages and headings, and pages fit a phone', async () => {
  assert.ok(paths.length > 150, `${paths.length} pages`)
  const plain = await withoutScripts({ width: widths[0], height: 900 })
  const found = new Map() // by path: ids and links
  const wide = []
  const queue = [...paths]
  const work = async () => {
    const page = await plain.newPage()
    for (let path; (path = queue.shift()); ) {
      await page.goto(origin + path)
      const over = await excess(page)
      if (over > 0) wide.push(`${path} is ${over} pixels too wide`)
      found.set(path, await page.evaluate(() => ({
        ids: [...document.querySelectorAll('[id]')].map((e) => e.id),
        links: [...document.querySelectorAll('a[href]')].map((a) => a.href),
      })))
    }
  }
  await Promise.all([work(), work()])
  await plain.close()
  const broken = []
  const linked = new Set(['/index.html'])
  for (const [path, { links }] of found) {
    for (const href of links) {
      const url = new URL(href)
      if (url.origin !== origin) continue
      const target = url.pathname.endsWith('/') ? url.pathname + 'index.html' : url.pathname
      if (path !== target) linked.add(target)
      const ids = found.get(target)?.ids
      const id = decodeURIComponent(url.hash.slice(1))
      if (!ids || (id && !ids.includes(id))) broken.push(`${path}: ${href}`)
    }
  }
  assert.deepEqual(broken, [], 'broken links')
  assert.deepEqual(paths.filter((p) => !linked.has(p)), [], 'pages without a link to them')
  assert.deepEqual(wide, [], 'pages that scroll sideways')
})

test('no request leaves the page, and none fails', () => {
  assert.deepEqual(foreign, [])
  assert.deepEqual(problems, [])
})
