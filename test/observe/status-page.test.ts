import { describe, expect, test } from 'vitest';
import { renderStatusPage, STATUS_PAGE_CSP } from '../../src/observe/status-page.ts';
import { BLOCKED, CONNECTIONS, SNAPSHOT } from '../_util/observe-http.ts';

/** A section of the page, by its id. */
function sectionOf(page: string, id: string): string {
  return page.split('<section ').find((part) => part.startsWith(`id="${id}"`)) ?? '';
}

/** The cells of the rows of a part of the page. */
function rowsOf(markup: string): string[][] {
  const rows = [...markup.matchAll(/<tr role="row">(.*?)<\/tr>/g)];
  return rows.map(([, row = '']) =>
    [...row.matchAll(/<td [^>]*>(.*?)<\/td>/g)].map(([, cell = '']) => cell.replace(/<[^>]+>/g, '')),
  );
}

describe('the status page', () => {
  const page = renderStatusPage(SNAPSHOT, CONNECTIONS, BLOCKED);

  test('shows services, where they listen, and the state of their backends with the reason', () => {
    const tunnel = sectionOf(page, 'service-0');
    expect(tunnel).toContain('tunnel on 127.0.0.1:11344');
    expect(tunnel).toContain('<dt>connections open</dt><dd>3</dd>');
    expect(rowsOf(tunnel)[0]).toEqual([
      ...['dlp-1', '10.0.0.5:1344', 'down', '1 min 45 s', '&#60;b&#62;3 checks failed&#60;/b&#62;'],
      ...['1', '0', '0', 'none'],
    ]);
    expect(tunnel).not.toContain('Verdicts');
  });

  test('shows the verdicts of an ICAP service, what waits, and how long requests take', () => {
    const icap = sectionOf(page, 'service-1');
    expect(icap).toContain('<dt>requests waiting</dt><dd>4</dd>');
    expect(rowsOf(icap)).toContainEqual(['allowed', '7', '71']);
    expect(rowsOf(icap)).toContainEqual(['blocked', '1', '5']);
    expect(rowsOf(icap)).toContainEqual(['request to answer', '8', '2.5 ms', '40 ms', '90 ms']);
  });

  test('marks a certificate that is to be renewed', () => {
    const certificates = sectionOf(page, 'certificates');
    expect(rowsOf(certificates)[0]).toEqual(['web', 'server', 'CN=gw', '2026-12-02 23:29:14', '12 days']);
    expect(certificates).toContain('<span class="warn">12 days</span>');
    expect(certificates).not.toContain('<span class="warn">365 days</span>');
  });

  test('shows connections, refusals with their reason, and changes', () => {
    expect(rowsOf(sectionOf(page, 'connections'))[0]).toEqual([
      ...['7', 'web', '192.0.2.1:40820', 'O=Test, CN=client1', 'TLSv1.3', 'av-1', 'REQMOD /reqmod', '1 min 5 s'],
      ...['2.0 KiB', '10 B'],
    ]);
    expect(rowsOf(sectionOf(page, 'refusals'))[0]?.slice(1, 5)).toEqual(['3', 'web', '192.0.2.9', 'no-certificate']);
    expect(sectionOf(page, 'changes')).toContain('backend dlp-1 is down, was up: 3 probes in a row failed');
  });

  test('shows who is blocked, for what, how far that is on its way, and what the SMC last said', () => {
    const blocked = sectionOf(page, 'blocked');
    expect(blocked).toContain('<dt>waiting for engines</dt><dd>1</dd>');
    expect(blocked).toContain('<dt>oldest waits</dt><dd>1 min 5 s</dd>');
    expect(blocked).toContain('not up, API 6.10, last success 2026-11-20 23:30:02 UTC');
    expect(blocked).toContain('it answered 503');
    expect(rowsOf(blocked)).toEqual([
      [
        ...['198.51.100.0', 'guardduty', 'UnauthorizedAccess:EC2/SSHBruteForce', '2026-11-20 23:30:00'],
        ...['2026-11-21 00:30:00', '3', 'pending', 'NGFW 1: added, NGFW 2: pending'],
      ],
      ['2001:db8::/32', 'manual', '-', '2026-11-20 23:29:30', 'unblocked', '0', 'off', '-'],
    ]);
  });

  test('shows why findings cannot be kept, also where nothing is relayed', () => {
    const queue = { type: 'rabbitmq', depth: 0, oldestSeconds: 0, trouble: 'it <hung> up' };
    const page = renderStatusPage(SNAPSHOT, CONNECTIONS, { entries: [], queue, smc: null });
    expect(sectionOf(page, 'blocked')).toContain('findings cannot be kept</span>; it &#60;hung&#62; up');
    expect(renderStatusPage(SNAPSHOT, CONNECTIONS, BLOCKED)).not.toContain('findings cannot be kept');
  });

  test('lists only the newest of many blocked addresses, and says so', () => {
    const page = renderStatusPage({ ...SNAPSHOT, blocked: 5000 }, CONNECTIONS, BLOCKED);
    expect(sectionOf(page, 'blocked')).toContain('Blocked addresses, the newest 2 of 5000');
  });

  test('lists only the oldest of many connections, and says so', () => {
    const many = { total: 5000, connections: Array.from({ length: 50 }, () => CONNECTIONS.connections[0] ?? never()) };
    const section = sectionOf(renderStatusPage(SNAPSHOT, many, BLOCKED), 'connections');
    expect(section).toContain('Connections, the oldest 20 of 5000');
    expect(rowsOf(section)).toHaveLength(20);
  });

  test('says what there is nothing of', () => {
    const empty = { ...SNAPSHOT, certificates: [], refusals: [], changes: [], blocked: 0 };
    const page = renderStatusPage(empty, undefined, { entries: [], queue: null, smc: null });
    expect(sectionOf(page, 'certificates')).toContain('No service uses TLS.');
    expect(sectionOf(page, 'connections')).toContain('The workers did not answer in time.');
    expect(sectionOf(page, 'refusals')).toContain('Nobody was refused');
    expect(sectionOf(page, 'changes')).toContain('Nothing has changed');
    expect(page).toContain('nobody is blocked');
    expect(sectionOf(page, 'blocked')).toContain('Nobody is blocked.');
    expect(sectionOf(page, 'blocked')).not.toContain('SMC');
  });

  test('says in its title which service has nobody to send clients to', () => {
    expect(page).toContain('<title>no backend for mcas - icapgw</title>');
    expect(renderStatusPage({ ...SNAPSHOT, services: [] }, undefined, BLOCKED)).toContain(
      '<title>ready - icapgw</title>',
    );
  });

  test('shows text as text', () => {
    expect(page).not.toContain('<b>');
    expect(page).toContain('&#60;b&#62;3 checks failed');
  });

  test('has nothing inline, and loads only its own style and script', () => {
    expect(page).not.toMatch(/<style|<img|style="| on\w+="|https?:/);
    expect([...page.matchAll(/(?:src|href)="([^"#]*)"/g)].map(([, target]) => target)).toEqual([
      'data:,',
      'status.css',
      'status.js',
      'metrics',
      'api/v1/status',
    ]);
    expect(page).toMatch(/<script src="status.js" defer><\/script>/);
    expect(STATUS_PAGE_CSP).not.toContain('unsafe');
    expect(STATUS_PAGE_CSP).toContain("default-src 'none'");
  });
});

function never(): never {
  throw new Error('there are connections');
}
