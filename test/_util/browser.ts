import { type Browser, chromium, type Page } from 'playwright-core';

export interface VisitOptions {
  readonly javaScriptEnabled?: boolean;
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
}

/** One look at a page. Disposing closes it. */
export interface PageVisit extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complained of: scripts that failed, and all that the page's policy forbids. */
  readonly complaints: readonly string[];
}

export interface TestBrowser extends AsyncDisposable {
  visit(url: string, options?: VisitOptions): Promise<PageVisit>;
}

/** Debian's Chromium, without a window; another one can be named in CHROMIUM. */
export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  // Its sandbox needs privileges that a container does not have; the pages are our own.
  const browser: Browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  return {
    async visit(url, { javaScriptEnabled = true, colorScheme = 'light', width = 1280 } = {}) {
      const context = await browser.newContext({ javaScriptEnabled, colorScheme, viewport: { width, height: 900 } });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => complaints.push(message.text()));
      await page.goto(url);
      return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
