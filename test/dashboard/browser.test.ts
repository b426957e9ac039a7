/** The page in a real browser: RFT_CHROMIUM or a Chromium or Chrome on the PATH; skipped where there is none. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Dashboard, openDashboard } from '../../src/dashboard/server.ts'
import { appendStep, folderOfRuns, raise, writeRun } from './runs.ts'

function findBrowser(): string | null {
  if (process.env.RFT_CHROMIUM) return process.env.RFT_CHROMIUM
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'])
    try {
      return execFileSync('which', [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {}
  return null
}

/** What the functions that run in the page use of it. */
declare const document: { querySelector(selector: string): { textContent: string; naturalWidth: number } | null }

const executablePath = findBrowser()
const why = executablePath ? '' : ' (skipped: no Chromium found; set RFT_CHROMIUM to one)'

describe.skipIf(executablePath === null)(`the page in a browser${why}`, () => {
  let browser: Browser
  let folder: ReturnType<typeof folderOfRuns>
  let dashboard: Dashboard
  let page: Page
  let complaints: string[]
  const dir = (name: string) => join(folder.dir, name)

  beforeAll(async () => {
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
    browser = await chromium.launch({ executablePath: executablePath!, args })
  })
  afterAll(() => browser.close())

  beforeEach(async () => {
    folder = folderOfRuns()
    await writeRun(dir('a'), 30)
    dashboard = await openDashboard({ runs: [folder.dir] })
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' })
    complaints = []
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error.stack)))
    page.on('request', (request) => {
      const { hostname } = new URL(request.url())
      if (request.url().startsWith('http') && hostname !== '127.0.0.1') complaints.push(`asked ${hostname}`)
    })
  })
  afterEach(async () => {
    await page.close()
    await dashboard.close()
    folder.remove()
  })

  const open = async () => {
    await page.goto(dashboard.url)
    await page.waitForSelector('[data-chart="Reward"] canvas')
  }
  /** As it is seen: spaces between blocks. */
  const text = async (selector: string) => (await page.locator(selector).allInnerTexts()).join('\n')

  it('shows curves and the numbers of now, and takes the token out of the address', async () => {
    await open()
    expect(page.url()).toBe(`http://127.0.0.1:${dashboard.port}/`)
    expect(await text('#run-title')).toBe('a')
    expect(await text('#overview')).toMatch(/30 \/ 100/)
    expect(await text('#overview')).toMatch(/held-out accuracy\s+75\.0 %/)
    const titles = await page.locator('figcaption b').allInnerTexts()
    for (const title of ['Reward', 'Rewards by function', 'Entropy', 'KL', 'Time by phase', 'Memory', 'Clipped tokens'])
      expect(titles).toContain(title)
    expect(await text('[data-chart="Rewards by function"] .legend')).toMatch(/accuracy 0\.25\s+format 0\.9/)
    expect(complaints).toEqual([])
  })

  it('draws in the colours of the lines, and a cross for NaN', async () => {
    await open()
    const colors = await page.evaluate(`(() => {
      const canvas = document.querySelector('[data-chart="Loss"] canvas')
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      const seen = new Set()
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add([data[i], data[i + 1], data[i + 2]].join())
      return [...seen]
    })()`)
    expect(colors).toContain('43,98,201') // --c0
    expect(colors).toContain('194,65,59') // --bad
  })

  it('follows the run while it goes on', async () => {
    await open()
    for (const step of [31, 32]) appendStep(dir('a'), step)
    raise(dir('a'), { step: 32, about: 'Something is wrong.' })
    await page.waitForFunction(() => document.querySelector('#overview')?.textContent.includes('32 / 100'))
    await page.waitForSelector('.alarms')
    expect(await text('.alarms summary')).toMatch(/1 alarm\s+newest at step 32: Something is wrong\./)
    await page.locator('.alarms summary').click()
    expect(await text('.alarms ul')).toMatch(/Remedy\.\s+detail/)
    expect(complaints).toEqual([])
  })

  it('shows completions with image, marked parts and rewards, and moves by keys', async () => {
    await open()
    await page.keyboard.press('2')
    await page.waitForSelector('.sample-view .completion')
    expect(await text('.sample-view h2')).toBe('Step 20')
    expect(await text('.sample-view .think >> nth=0')).toBe('<think>good</think>')
    const width = await page.evaluate(() => document.querySelector('.sample-view .prompt img')?.naturalWidth)
    expect(width).toBe(448)
    expect(await text('.sample-view .completion.good p')).toMatch(/total 2\s+accuracy 1\s+format 1\s+advantage \+1/)
    await page.keyboard.press('j')
    await page.waitForFunction(() => document.querySelector('.sample-view h2')?.textContent === 'Step 10')
    expect(await text('[aria-current]')).toContain('step 10')
    await page.keyboard.press('k')
    await page.waitForFunction(() => document.querySelector('.sample-view h2')?.textContent === 'Step 20')
    expect(await page.title()).toBe('a · rft') // nothing that a model wrote was run
    expect(complaints).toEqual([])
  })

  it('compares runs, one line each', async () => {
    await writeRun(dir('b'), 20)
    await open()
    await page.waitForSelector('aside li >> nth=1')
    await page.locator('aside input').nth(1).check()
    await page.waitForSelector('#overview table')
    expect(await text('#overview tbody')).toMatch(/a\s+30 \/ 100[\s\S]+b\s+20 \/ 100/)
    expect(await text('[data-chart^="Reward reward"] .legend')).toMatch(/a 0\.3\s+b 0\.2/)
    await page.locator('aside button').nth(1).click()
    await page.waitForFunction(() => document.querySelector('#run-title')?.textContent === 'b')
    expect(complaints).toEqual([])
  })

  it('is dark when the system is, and when asked; every control is reached by Tab', async () => {
    await open()
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(await background()).toBe('rgb(247, 247, 248)')
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await background()).toBe('rgb(21, 23, 27)')
    await page.keyboard.press('t')
    expect(await background()).toBe('rgb(247, 247, 248)')
    const reached = new Set<string>()
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press('Tab')
      reached.add((await page.evaluate('document.activeElement.id')) as string)
    }
    for (const id of ['tab-curves', 'tab-samples', 'smoothing', 'theme', 'help-button']) expect(reached).toContain(id)
    await page.locator('body').press('?')
    expect(await page.locator('dialog').isVisible()).toBe(true)
  })

  it('fits a narrow window', async () => {
    await page.setViewportSize({ width: 420, height: 800 })
    await open()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(420)
  })

  it('says when the dashboard has ended', async () => {
    await open()
    await dashboard.close()
    await page.waitForFunction(() => document.querySelector('#status')?.textContent.includes('has ended'))
    dashboard = await openDashboard({ runs: [folder.dir] })
  })
})
