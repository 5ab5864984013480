import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadDocument } from '../../src/config/load.ts';
import { formatNative } from '../../src/config/native.ts';
import { Report } from '../../src/config/report.ts';
import type { Settings } from '../../src/config/schema/root-schema.ts';
import { readSettings } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml.ts';
import { serviceText } from '../_util/config-text.ts';

const CASES = join(import.meta.dirname, '../../stunnel-compat/cases');
const NO_COMMENTS = { head: '', services: [] };

function settingsOf(text: string): Settings {
  const { document, problems } = readYaml(text, '/etc/icapgw/icapgw.yaml');
  if (document === undefined) throw new Error(JSON.stringify(problems));
  const report = new Report(document, '/');
  const settings = readSettings(report);
  if (settings === undefined) throw new Error(JSON.stringify(report.problems));
  return settings;
}

const EVERYTHING = `
log: { level: debug, format: json, file: /l, overwrite: true, access: "-", access-format: squid }
admin: { listen: 127.0.0.1:9344, token-file: t }
workers: 3
drain-delay: 5s
drain-timeout: 90s
tracing: { otlp: "https://otel.example/x", sample: 0.5 }
pid-file: /p
setuid: icapgw
setgid: 65534
services:
  - name: "all: of #it"
    listen: ["[::1]:1", ":2", "unix:/x y"]
    protocol: tunnel
    tls:
      cert: a
      key: b
      key-passphrase-file: c
      min-version: TLSv1.1
      max-version: TLSv1.2
      ciphers: "ALL:!aNULL"
      ciphersuites: TLS_AES_128_GCM_SHA256
      groups: X25519
      server-cipher-preference: true
      security-level: 0
      session-tickets: false
      session-timeout: 1h
      client-auth:
        mode: optional
        ca: [a, b]
        trust: chain
        chain-and-pin: true
        crl: c
        allow: { subjects: [CN=a], sans: ["DNS:a", "b"], spki-sha256: ${'ab'.repeat(32)} }
    allow-from: [10.0.0.0/8, "::1"]
    deny-from: 10.1.0.0/16
    proxy-protocol: { accept: v2, from: 10.0.0.1, send: v1 }
    limits: { connections: 1, connections-per-source: 2, handshakes-per-source: 3/s, header: 2000, body: 1GiB, queue: 0, queue-timeout: 1ms }
    timeouts: { handshake: never, connect: 1500ms, request-header: 1d, body-idle: 2s, response: 3m, idle: 99d, close: 0s, total: 1m }
    balance: source-hash
    backends:
      - { address: "[::1]:1344", name: b1, weight: 0, priority: 7, max-connections: 9, tls: { ca: a, cert: b, key: c, key-passphrase-file: d, server-name: e, verify: false } }
      - { address: "unix:/b", tls: { pin-sha256: ["${'A'.repeat(43)}="] } }
    health: { type: tcp, path: /p, interval: 1s, timeout: 1s, rise: 1, fall: 1, jitter: 0% }
    outliers: { consecutive-failures: 0, eject: 1m, max-ejected: 33% }
    slow-start: 10s
    sockets: { client-no-delay: false, backend-no-delay: false, keep-alive: off, ipv6-only: true, local-address: 10.0.0.1, reset: false }
    retry: 5xx
    retain: 0
    when-down: block
    on-timeout: reset
    on-oversize: bypass
    block-page: /page.html
    routes: [{ methods: [REQMOD], path: /a, backends: [b1, "unix:/b"], rewrite-path: /b }]
    bypass: { content-types: [a/b], file-types: [zip], extensions: [iso], url-only-respmod: true }
    headers: { set: { X-A: "b: c" }, strip: X-B, map: { X-C: X-D }, client-ip: set, correlation: X-E }
    istag: passthrough
    monitor-replies: false
`;

describe('settings as native YAML', () => {
  test('say nothing that is a default', () => {
    expect(formatNative(settingsOf(serviceText()), NO_COMMENTS)).toBe(serviceText());
  });

  test('read back as what they were, whatever is set', () => {
    const settings = settingsOf(EVERYTHING);
    expect(settingsOf(formatNative(settings, NO_COMMENTS))).toEqual(settings);
  });

  test('say explicitly that nobody is asked for a certificate', () => {
    const text = formatNative(settingsOf(serviceText({ tls: '{ cert: /a }' })), NO_COMMENTS);
    expect(text).toContain('      client-auth:\n        mode: none\n');
  });

  test('keep comments at the top and at their service, and nothing in them becomes YAML', () => {
    const second = serviceText().replace('services:\n', '').replace('dlp', 'two').replace('11344', '2');
    const text = formatNative(settingsOf(`${serviceText()}${second}`), {
      head: 'from a\n\nb: c',
      services: ['', 'second\n#: x'],
    });
    expect(text).toMatch(/^# from a\n#?\n# b: c\n\nservices:\n {2}- name: dlp\n/);
    expect(text).toMatch(/\n\n {2}# second\n {2}# #: x\n {2}- name: two\n/);
    expect(settingsOf(text).services).toHaveLength(2);
  });
});

describe('a stunnel.conf converted', () => {
  const usable = readdirSync(CASES)
    .map((name) => ({ name, ...loadDocument(join(CASES, name, 'stunnel.conf'), join(CASES, name)) }))
    .filter(({ problems }) => problems.every((problem) => problem.severity === 'warning'));

  test('has cases to be tested with', () => {
    expect(usable.map(({ name }) => name)).toEqual(expect.arrayContaining(['microsoft-linux', 'microsoft-windows']));
  });

  test.each(usable)('$name means the same as YAML', ({ name, document }) => {
    if (document === undefined) throw new Error(`${name} has no document`);
    const report = new Report(document, join(CASES, name));
    const settings = readSettings(report);
    if (settings === undefined) {
      // Only what this version cannot do at all may stand in the way.
      expect(report.problems.map(({ message }) => message).join()).toContain('not available in this version yet');
      return;
    }
    expect(settingsOf(formatNative(settings, NO_COMMENTS))).toEqual(settings);
  });
});
